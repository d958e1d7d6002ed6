// A database with a platform's traffic of two weeks, and the program that serves it.
import { execFileSync, spawn } from "node:child_process";
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";

export const root = resolve(dirname(fileURLToPath(import.meta.url)), "../..");
export const place = join(root, "target/pages");
const program = process.env.COTAS ?? join(root, "target/debug/cotas");
const database = join(place, "pages.db");

/** The instant that all pages show: a Wednesday afternoon in Sao Paulo. */
const NOW = Date.parse("2026-05-20T17:30:00Z");
const DAY = 86_400_000;
const at = (ms) => new Date(ms).toISOString();

/** Runs the program as of `now`, and gives what it printed. */
export function cotas(...given) {
    const env = { ...process.env, COTAS_DB: database };
    return execFileSync(program, given, { env, encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] });
}

/** Random numbers that are the same in every run. */
function random(seed) {
    let state = seed;
    return () => {
        state = (state * 1_103_515_245 + 12_345) % 2_147_483_648;
        return state / 2_147_483_648;
    };
}

/** Contacts who write in the last two weeks: more by day, fewer on Sundays. */
function traffic(tenants) {
    const next = random(7);
    const lines = [];
    for (const [tenant, perDay] of tenants) {
        for (let day = 13; day >= 0; day -= 1) {
            const begin = Date.parse("2026-05-20T03:00:00Z") - day * DAY;
            const weekday = new Date(begin).getUTCDay();
            const share = weekday === 0 ? 0.25 : weekday === 6 ? 0.6 : 1;
            for (let count = 0; count < perDay * share * (0.7 + 0.6 * next()); count += 1) {
                // From eight to eight, most around noon.
                const hour = 8 + 6 * (next() + next());
                const ms = begin + hour * 3_600_000;
                if (ms < NOW) {
                    const contact = `${tenant}-${day}-${count}`;
                    lines.push([ms, `${at(ms)},${tenant},receive_message,w1,${contact},,`]);
                }
            }
        }
    }
    lines.sort((one, other) => one[0] - other[0]);
    return `at,tenant,action,channel,contact,quantity,key\n${lines.map(([, it]) => it).join("\n")}\n`;
}

/** A platform with a few tenants, each with something to see. */
export function build() {
    rmSync(place, { recursive: true, force: true });
    mkdirSync(place, { recursive: true });
    const catalog = join(root, "examples/catalogs/livechat360.toml");
    cotas("catalog", "load", catalog);
    const born = ["--at", "2026-05-06T09:00:00-03:00"];
    const add = (name, plan, ...more) =>
        cotas("tenant", "add", name, "--plan", plan, "--first-due", "2026-06-10", "--auto-renew",
            ...more, ...born);
    add("padaria-aurora", "full", "--extra", "sessions=100");
    add("oficina-tres-irmaos", "basico");
    add("clinica-boa-vista", "full");
    add("mercado-sao-jorge", "full", "--extra", "sessions=500");
    add("pet-shop-amigo-fiel", "basico");
    add("escola-pequeno-principe", "full");
    const csv = join(place, "traffic.csv");
    writeFileSync(csv, traffic([
        ["padaria-aurora", 52], ["oficina-tres-irmaos", 34], ["clinica-boa-vista", 64],
        ["mercado-sao-jorge", 40], ["pet-shop-amigo-fiel", 9],
    ]));
    cotas("replay", csv);
    const now = ["--at", at(NOW)];
    for (const holder of ["ana@aurora.example", "bia@aurora.example", "caio@aurora.example"]) {
        cotas("seats", "padaria-aurora", "users", "occupy", holder, ...now);
    }
    cotas("tenant", "status", "pet-shop-amigo-fiel", "past_due", "--reason", "fatura 5", ...now);
    const token = (...given) => cotas("token", "create", ...given).trim();
    return {
        platform: token("--role", "platform", "--title", "Plataforma"),
        manager: token("--role", "manager", "--tenant", "padaria-aurora", "--title", "Ana"),
        viewer: token("--role", "viewer", "--tenant", "oficina-tres-irmaos", "--title", "João"),
        poor: token("--role", "manager", "--tenant", "oficina-tres-irmaos", "--title", "Rui"),
        catalog: readFileSync(catalog, "utf8"),
    };
}

/** Serves the database; gives its address and what ends it. */
export async function serve() {
    const given = ["serve", "--listen", "127.0.0.1:0", "--quiet", "--at", at(NOW)];
    const env = { ...process.env, COTAS_DB: database };
    const child = spawn(program, given, { env, stdio: ["ignore", "ignore", "pipe"] });
    const address = await new Promise((found, failed) => {
        let text = "";
        child.stderr.on("data", (data) => {
            text += data;
            const line = /listening on (\S+)/.exec(text);
            if (line) found(`http://${line[1]}`);
        });
        child.on("exit", (code) => failed(new Error(`cotas serve ended with ${code}: ${text}`)));
    });
    return { address, stop: () => child.kill("SIGTERM") };
}
