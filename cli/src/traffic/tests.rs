//! Reading files of all kinds to their end.

use std::path::Path;

use super::lines::LINE_LEN_MAX;
use super::*;

fn read(input: impl Into<Vec<u8>>) -> Traffic {
    open(input).expect("readable")
}

fn open(input: impl Into<Vec<u8>>) -> Result<Traffic, TrafficError> {
    Traffic::start(Box::new(io::Cursor::new(input.into())), None, &Names::default())
}

/// The lines of `input`: events as `line tenant`, malformed ones as `line! reason`.
fn outcomes(input: impl Into<Vec<u8>>) -> Vec<String> {
    read(input)
        .map(|outcome| match outcome {
            Ok(event) => format!("{} {}", event.line, event.tenant),
            Err(malformed) => format!("{}! {}", malformed.line, malformed.reason),
        })
        .collect()
}

#[test]
fn lines_keep_their_numbers() {
    let input =
        b"\xef\xbb\xbf\r\nat,tenant,action\r\n\r\n0,a,go\r\n  \n0,\xff,go\n0,\"b\n0\n0,c,go";
    assert_eq!(
        outcomes(*input),
        [
            "4 a",
            "6! is not UTF-8",
            "7! leaves a quote open: no later line closes it with as many fields as the header",
            "8! has 1 fields where the header has 3",
            "9 c",
        ]
    );
}

#[test]
fn a_byte_order_mark_is_no_part_of_the_first_column() {
    assert_eq!(outcomes("\u{feff}at,tenant,action\n0,a,go\n"), ["2 a"]);
}

#[test]
fn a_line_may_have_a_mebibyte_and_no_more() {
    let fill = |len: usize| format!("0,{},go", "x".repeat(len - "0,,go".len()));
    for ending in ["\n", "\r\n"] {
        let longest = fill(LINE_LEN_MAX);
        let longer = fill(LINE_LEN_MAX + 1);
        let far_longer = fill(5 * LINE_LEN_MAX);
        let input = ["at,tenant,action", &longest, &longer, &far_longer, "0,a,go", ""].join(ending);
        let mut traffic = read(input.clone());
        let lengths: Vec<_> =
            traffic.by_ref().map(|outcome| outcome.map(|event| event.tenant.len())).collect();
        let too_long =
            |line| Malformed { line, fault: Fault::TooLong, reason: "is longer than 1 MiB".into() };
        assert_eq!(lengths, [Ok(LINE_LEN_MAX - 5), Err(too_long(3)), Err(too_long(4)), Ok(1)]);
        assert_eq!(traffic.bytes_read(), input.len() as u64);
        assert!(traffic.lines.bytes().len() <= LINE_LEN_MAX + 2);
    }
}

#[test]
fn the_format_is_known_by_the_first_byte() {
    let body = r#"{"object":"page"}"#;
    for whatsapp in [body.to_owned(), format!("\u{feff}\n\r\n \t{body}\n"), format!("[{body}]")] {
        assert_eq!(read(whatsapp).format(), Format::Whatsapp);
    }
    assert_eq!(read("at,tenant,action").format(), Format::Csv);
}

#[test]
fn what_is_no_traffic_is_refused() {
    for empty in ["", "\n\r\n", "\u{feff}", "\u{feff}\n"] {
        assert!(matches!(open(empty), Err(TrafficError::Empty)), "{empty:?}");
    }
    assert!(matches!(open(*b"\xff\xfea\0t\0"), Err(TrafficError::Header(_))));
    assert!(matches!(open("x".repeat(2 * LINE_LEN_MAX)), Err(TrafficError::Header(_))));
    let missing = Path::new("no such file");
    assert!(matches!(Source::open(missing), Err(TrafficError::Open { .. })));
}

#[test]
fn a_file_that_only_grew_keeps_its_fingerprint() {
    let start = "at,tenant,action\n\n0,a,go";
    let fingerprint = |input: &str| read(input).fingerprint().to_vec();
    let expected = b"at,tenant,action\n0,a,go";
    assert_eq!(fingerprint(start), expected);
    assert_eq!(fingerprint(&format!("{start}\r\n")), expected);
    assert_eq!(fingerprint(&format!("{start}\n0,b,go\n")), expected);
    assert_ne!(fingerprint("at,tenant,action\n1,a,go"), expected);
    assert_ne!(fingerprint("tenant,at,action\n0,a,go"), expected);
    // Not even a line too long to be read makes it any longer.
    let long = format!("at,tenant,action\n{}", "x".repeat(2 * LINE_LEN_MAX));
    assert_eq!(fingerprint(&long).len(), FINGERPRINT_LEN_MAX);
    assert_eq!(fingerprint("{}\n{\"a\":1}"), b"{}");
}

#[test]
fn the_first_and_the_last_event_give_the_times() {
    let mut traffic = read("at,tenant,action\nx,a,go\n\n20,a,go\n10,a,go\n30,,go\n");
    assert_eq!(traffic.first_at(), Some(Timestamp::from_seconds(20)));
    assert_eq!(traffic.last_at(), None);
    // Looking ahead has taken nothing away.
    let lines: Vec<_> = traffic
        .by_ref()
        .map(|outcome| outcome.map_or_else(|malformed| malformed.line, |event| event.line))
        .collect();
    assert_eq!(lines, [2, 4, 5, 6]);
    assert_eq!(traffic.first_at(), Some(Timestamp::from_seconds(20)));
    assert_eq!(traffic.last_at(), Some(Timestamp::from_seconds(10)));
    assert!(traffic.finish().is_ok());
    assert_eq!(read("at,tenant,action\n").first_at(), None);
}

#[test]
fn looking_ahead_takes_bounded_memory() {
    let bad = "x,a,go\n".repeat(2 * WAITING_MAX);
    let mut traffic = read(format!("at,tenant,action\n{bad}0,a,go\n"));
    assert_eq!(traffic.first_at(), None);
    assert_eq!(traffic.waiting.len(), WAITING_MAX);
    assert_eq!(traffic.by_ref().flatten().count(), 1);
    assert_eq!(traffic.first_at(), Some(Timestamp::from_seconds(0)));
}

#[test]
fn a_failing_disk_is_not_the_end_of_the_file() {
    struct Failing;
    impl Read for Failing {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            Err(io::Error::other("the disk is gone"))
        }
    }
    let start = io::Cursor::new("at,tenant,action\n0,a,go\n0,b,go\n");
    let mut traffic = Traffic::start(Box::new(start.chain(Failing)), None, &Names::default())
        .expect("a readable start");
    assert_eq!(traffic.by_ref().count(), 2);
    assert!(traffic.next().is_none());
    let error = traffic.finish().expect_err("reading failed");
    assert_eq!(error.to_string(), "reading failed after line 3: the disk is gone");
}

#[test]
fn any_bytes_at_all_are_read_to_their_end() {
    let mut state = 1_u64;
    let mut random = |below: u64| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (state >> 33) % below
    };
    let pieces: [&[u8]; 10] =
        [b"\n", b"\r\n", b",", b"\"", b"{", b"[", b"\xff", b"\xef\xbb\xbf", b"0,a,go", b":1}"];
    for start in ["at,tenant,action\n", "{\"object\":\"page\"}\n"] {
        for _ in 0..2_000 {
            let mut input = start.as_bytes().to_vec();
            for _ in 0..random(40) {
                let piece = pieces.get(random(10) as usize).expect("one of ten");
                input.extend_from_slice(piece);
            }
            let len = input.len() as u64;
            let mut traffic = read(input);
            let mut line = 1;
            for outcome in traffic.by_ref() {
                let next = outcome.map_or_else(|malformed| malformed.line, |event| event.line);
                assert!(next > line);
                line = next;
            }
            assert_eq!(traffic.bytes_read(), len);
            assert!(traffic.finish().is_ok());
        }
    }
}

#[test]
fn a_quoted_field_may_go_on_in_the_next_line() {
    let input = "at,tenant,action,note\n0,a,go,\"one\ntwo, \"\"2\"\"\n\nthree\"\n0,b,go,x\n";
    assert_eq!(outcomes(input), ["2 a", "6 b"]);
    // Two quotes that have nothing to do with each other cost one line each.
    let input = "at,tenant,action\n0,a,\"go\n0,b,go\n0,c,\"go\n0,d,go\n";
    let open = "leaves a quote open: no later line closes it with as many fields as the header";
    assert_eq!(
        outcomes(input),
        [format!("2! {open}"), "3 b".into(), format!("4! {open}"), "5 d".into(),]
    );
}

#[test]
fn a_spreadsheet_may_name_its_delimiter() {
    assert_eq!(outcomes("sep=;\r\nat;tenant;action\r\n0;a;go\r\n"), ["3 a"]);
}

#[test]
fn the_hash_is_of_all_lines_so_far_and_of_nothing_else() {
    let contents = |input: &str| -> Vec<u64> {
        read(input).map(|outcome| outcome.map_or(0, |event| event.content)).collect()
    };
    let two = contents("at,tenant,action\n0,a,go\n1,a,go\n");
    let three = contents("at,tenant,action\r\n\r\n0,a,go\r\n\r\n1,a,go\r\n2,a,go");
    assert_eq!(three.len(), 3);
    assert_eq!(three[..2], two, "a file that has grown begins alike");
    assert_ne!(two[0], two[1]);
    let corrected = contents("at,tenant,action\n0,b,go\n1,a,go\n");
    assert_ne!(corrected[1], two[1], "what stood before counts");
    assert_ne!(contents("at,tenant,action,key\n0,a,go,\n")[0], two[0], "so does the header");
}

#[test]
fn gzip_is_unpacked_and_other_packings_are_named() {
    let directory = tempfile::tempdir().expect("a directory");
    let file = |name: &str, bytes: &[u8]| {
        let path = directory.path().join(name);
        std::fs::write(&path, bytes).expect("written");
        Source::open(&path)
    };
    let mut packed = Vec::new();
    for part in ["at,tenant,action\n0,a", ",go\n"] {
        // Logs are appended to as further members.
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        io::Write::write_all(&mut encoder, part.as_bytes()).expect("packed");
        packed.extend(encoder.finish().expect("packed"));
    }
    let source = file("traffic.csv.gz", &packed).expect("readable");
    for _ in 0..2 {
        let traffic = Traffic::open(&source, &Names::default()).expect("readable");
        assert_eq!(traffic.len(), None);
        assert_eq!(traffic.flatten().count(), 1);
    }
    let torn = file("torn.gz", &packed[..packed.len() - 6]).expect("readable");
    let mut traffic = Traffic::open(&torn, &Names::default()).expect("readable");
    assert!(traffic.by_ref().count() <= 1);
    assert!(traffic.finish().is_err(), "a torn file is not read to its end");
    let zip = file("traffic.zip", b"PK\x03\x04....");
    let text = zip.err().expect("refused").to_string();
    assert_eq!(text, "the file is a zip archive: unpack it first (gzip is read as it is)");
    assert!(matches!(file("excel.txt", b"\xff\xfea\0t\0"), Err(TrafficError::Utf16)));
}

#[test]
fn parts_of_a_body_that_open_nothing_are_handed_out_too() {
    let body = r#"{"metadata":{"phone_number_id":"7"},"contacts":[{"wa_id":"1","user_id":"B"}],
        "messages":[{"from":"1","id":"m","timestamp":"9"}],"statuses":[{"status":"read"},5]}"#;
    let outcomes: Vec<_> = read(body.replace('\n', "")).collect();
    let [message, status, broken] = &outcomes[..] else { panic!("{outcomes:?}") };
    let message = message.as_ref().expect("an event");
    assert_eq!(message.action.as_deref(), Some("receive_message"));
    assert_eq!((message.contact.as_deref(), &message.aliases[..]), (Some("1"), &["B".into()][..]));
    assert_eq!((message.tenant.as_str(), message.id.as_deref()), ("7", Some("m")));
    let status = status.as_ref().expect("an event");
    assert_eq!((status.kind, &status.action), (Some(Kind::Status), &None));
    assert_eq!(broken.as_ref().expect_err("broken").fault, Fault::MalformedPart);
}
