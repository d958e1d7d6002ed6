//! A served database, and a client that speaks as much HTTP as the tests need.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::Child;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};

use super::Desk;

/// A process that serves a database. It is killed when the test ends.
pub struct Served {
    pub child: Child,
    pub address: SocketAddr,
    log: Arc<Mutex<String>>,
}

/// An answer.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub head: String,
    pub text: String,
}

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|_| panic!("no JSON: {self:?}"))
    }
}

impl Served {
    pub fn start(desk: &Desk, arguments: &[&str]) -> Served {
        let mut command = desk.command(&["serve", "--listen", "127.0.0.1:0"]);
        let mut child = command.args(arguments).spawn().expect("it starts");
        let mut lines = BufReader::new(child.stderr.take().expect("a pipe")).lines();
        let first = lines.next().expect("a line").expect("is read");
        let address = first.strip_prefix("cotas: listening on ").expect(&first);
        let address = address.parse().expect("an address");
        let log = Arc::new(Mutex::new(String::new()));
        let to = log.clone();
        thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                *to.lock().expect("no panic") += &(line + "\n");
            }
        });
        Served { child, address, log }
    }

    /// The access log so far.
    pub fn log(&self) -> String {
        self.log.lock().expect("no panic").clone()
    }

    pub fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.address).expect("connects");
        stream.set_read_timeout(Some(Duration::from_mins(1))).expect("is set");
        stream
    }

    /// Sends a request with headers of its own, one a line.
    pub fn send(&self, request: &str, headers: &str, body: &[u8]) -> Answer {
        self.try_send(request, headers, body).expect("is answered")
    }

    /// As `send`; `None`: the server broke off.
    pub fn try_send(&self, request: &str, headers: &str, body: &[u8]) -> Option<Answer> {
        let mut stream = TcpStream::connect(self.address).ok()?;
        stream.set_read_timeout(Some(Duration::from_mins(1))).expect("is set");
        let length = body.len();
        let head = format!(
            "{request} HTTP/1.1\r\nHost: cotas\r\nConnection: close\r\n\
             Content-Length: {length}\r\n{headers}\r\n"
        );
        stream.write_all(head.as_bytes()).ok()?;
        stream.write_all(body).ok()?;
        read_answer(&mut stream)
    }

    /// Sends JSON under a token.
    pub fn post(&self, path: &str, token: &str, body: &Value) -> Answer {
        let headers =
            format!("Content-Type: application/json\r\nAuthorization: Bearer {token}\r\n");
        self.send(&format!("POST {path}"), &headers, body.to_string().as_bytes())
    }

    /// Sends JSON under a token and an idempotency key.
    pub fn post_once(&self, path: &str, token: &str, key: &str, body: &Value) -> Answer {
        let headers = format!(
            "Content-Type: application/json\r\nAuthorization: Bearer {token}\r\n\
             Idempotency-Key: {key}\r\n"
        );
        self.send(&format!("POST {path}"), &headers, body.to_string().as_bytes())
    }

    pub fn get(&self, path: &str, token: &str) -> Answer {
        self.send(&format!("GET {path}"), &format!("Authorization: Bearer {token}\r\n"), b"")
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Reads an answer up to the end of the connection.
pub fn read_answer(stream: &mut TcpStream) -> Option<Answer> {
    let mut bytes = Vec::new();
    // A server that does not read a body to its end resets the connection after its answer.
    let _ = stream.read_to_end(&mut bytes);
    let text = String::from_utf8(bytes).ok()?;
    let (head, body) = text.split_once("\r\n\r\n")?;
    let status = head.split(' ').nth(1)?.parse().ok()?;
    Some(Answer { status, head: head.to_owned(), text: body.to_owned() })
}

/// Issues a token.
pub fn token(desk: &Desk, role: &str, tenant: Option<&str>) -> String {
    let mut arguments = vec!["token", "create", "--role", role];
    arguments.extend(tenant.map(|name| ["--tenant", name]).into_iter().flatten());
    desk.ok(&arguments).trim().to_owned()
}

/// `{"resource": "sms", "units": …}`.
pub fn sms(units: u64) -> Value {
    json!({ "resource": "sms", "units": units })
}
