// Drives every page of `cotas serve` in Chromium: what people do, what they see, how it looks, and
// whether everyone can use it. Usage: node tests/pages/run.mjs [part of a test's name]
import assert from "node:assert/strict";
import { copyFileSync, existsSync, mkdirSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { build, cotas, place, root, serve } from "./world.mjs";

const modules = createRequire(join(root, "target/pages-modules/package.json"));
const { chromium } = modules("playwright-core");
const axe = readFileSync(modules.resolve("axe-core/axe.min.js"), "utf8");

const WIDTHS = [360, 1280];
const shots = join(place, "shots");
const browsers = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"];

const only = process.argv[2] ?? "";
const tests = [];
const test = (name, run) => tests.push([name, run]);

const tokens = build();
mkdirSync(shots, { recursive: true });
const server = await serve();
const executablePath = browsers.find((path) => existsSync(path));
assert.ok(executablePath, "Chromium is missing: make deps installs it");
const browser = await chromium.launch({ executablePath, args: ["--no-sandbox"] });

const sessions = new Map();

/** A visitor of its own: nothing of another's cookies. Scripts are off, as pages need none. */
async function visitor(token, options = {}) {
    const { width = 1280, locale = "pt-BR" } = options;
    const context = await browser.newContext({
        baseURL: server.address, locale, javaScriptEnabled: false, colorScheme: "light",
        viewport: { width, height: 900 },
    });
    context.setDefaultTimeout(60_000);
    const page = await context.newPage();
    if (!token) return page;
    if (sessions.has(token)) {
        await context.addCookies(sessions.get(token));
        await page.goto("/");
        return page;
    }
    await page.goto("/login");
    await page.fill("#token", token);
    await page.click("button[type=submit]");
    sessions.set(token, await context.cookies());
    return page;
}

/** axe-core needs scripts: what the visitor sees, in a page that has them. */
const inspector = await browser.newPage({ bypassCSP: true });
async function accessible(page, name) {
    await inspector.setViewportSize(page.viewportSize());
    await inspector.goto(`${server.address}/style.css`);
    await inspector.setContent(await page.content(), { waitUntil: "load" });
    await inspector.evaluate(axe);
    const [violations, over] = await inspector.evaluate(async () => {
        const found = await globalThis.axe.run(document);
        const all = document.documentElement;
        return [found.violations, all.scrollWidth - all.clientWidth];
    });
    const serious = violations.filter((it) => ["serious", "critical"].includes(it.impact));
    const words = serious.map((it) => `${it.id}: ${it.nodes.map((node) => node.html).join(" ")}`);
    assert.deepEqual(words, [], `${name}: axe-core`);
    assert.ok(over <= 0, `${name} is ${over} px wider than the screen`);
}

const has = async (page, text) => {
    // An amount does not break between its symbol and its number.
    const found = (await page.innerText("body")).replaceAll("\u00a0", " ");
    assert.ok(found.includes(text), `${page.url()} says ${JSON.stringify(text)}:\n${found}`);
};

test("log in, be turned away, log out", async () => {
    const page = await visitor();
    await page.goto("/console");
    assert.ok(page.url().includes("/login?next="), page.url());
    await page.fill("#token", "cotas_wrong");
    await page.click("button[type=submit]");
    await has(page, "Este token não abre nada");
    await accessible(page, "login");
    await page.fill("#token", tokens.platform);
    await page.click("button[type=submit]");
    await has(page, "Empresas");
    await page.click("text=Sair");
    await page.waitForURL("**/login");
    await page.goto("/console");
    assert.ok(page.url().includes("/login"), "the session has ended");
});

test("a tenant sees its subscription, and no other's", async () => {
    const page = await visitor(tokens.viewer);
    await has(page, "Minha assinatura");
    await has(page, "Plano básico");
    assert.equal(await page.locator("#invoices").count(), 0, "a viewer sees no invoice");
    const answer = await page.goto("/subscription/padaria-aurora");
    assert.equal(answer.status(), 403);
    assert.ok(!(await page.content()).includes("Plano full"));
});

test("buy an extra and see it", async () => {
    const page = await visitor(tokens.manager);
    await has(page, "Plano full");
    await page.click("text=Comprar extras");
    await page.fill("input[name=quantity]", "450");
    await page.click("text=Ver o preço");
    await has(page, "R$ 125,00");
    await has(page, "Por menos, leve");
    await page.click("a:has-text('500')");
    await page.click("button:has-text('Comprar 500')");
    await has(page, "Comprado.");
    await has(page, "R$ 125,00");
    const invoice = /Fatura (\d+)\./.exec(await page.innerText("body"))[1];
    cotas("invoice", "pay", invoice, "--at", "2026-05-20T17:30:00Z");
    await page.reload();
    await has(page, "de 1600");
});

test("be refused and see why", async () => {
    const page = await visitor(tokens.poor);
    await has(page, "Recusado nos últimos 7 dias");
    await has(page, "cota esgotada");
    await page.click("text=Comprar extras");
    await page.fill("input[name=quantity]", "10");
    await page.click("text=Ver o preço");
    await page.click("button:has-text('Comprar 10')");
    await has(page, "Não foi comprado");
    await has(page, "não está à venda");
    await accessible(page, "extras");
});

test("suspend and see it", async () => {
    const page = await visitor(tokens.platform);
    await page.click("text=clinica-boa-vista");
    await page.click("summary:has-text('Mudar a situação')");
    await page.check("input[value=suspended]");
    await page.fill("input[name=reason]", "contrato em revisão");
    await page.click("button:has-text('Mudar a situação')");
    await has(page, "A situação mudou.");
    await has(page, "contrato em revisão");
    await page.goto("/subscription/clinica-boa-vista");
    await has(page, "Esta conta está suspensa.");
    await page.goto("/console?filter=suspended");
    await has(page, "clinica-boa-vista");
    const shown = JSON.parse(cotas("tenant", "show", "clinica-boa-vista", "--json"));
    assert.equal(shown.status, "suspended");
});

test("register an account with three errors", async () => {
    const page = await visitor(tokens.platform);
    await page.click("text=Nova conta");
    await page.fill("input[name=name]", "floricultura-ipe");
    await page.fill("input[name=trade_name]", "Floricultura Ipê");
    await page.fill("input[name=document]", "11.222.333/0001-82");
    await page.fill("input[name=admin_name]", "Iara");
    await page.fill("input[name=admin_email]", "iara");
    await page.selectOption("select[name=plan]", "basico");
    await page.fill("input[name=first_due]", "2026-06-10");
    await page.click("button:has-text('Conferir')");
    await has(page, "3 campos errados");
    await has(page, "confira os dígitos");
    assert.equal(await page.inputValue("input[name=trade_name]"), "Floricultura Ipê");
    await accessible(page, "account");
    await page.screenshot({ path: join(shots, "account-wrong-1280-light.png"), fullPage: true });
    await page.click(".notice a >> nth=0");
    await page.fill("input[name=document]", "11.222.333/0001-81");
    await page.fill("input[name=admin_email]", "iara@ipe.example");
    await page.fill("input[name=admin_phone]", "+55 48 3197-0877");
    await page.click("button:has-text('Conferir')");
    await has(page, "Informações adicionais");
    await page.click("button:has-text('Salvar')");
    await has(page, "Cadastrada.");
    await has(page, "Floricultura Ipê");
});

test("load a catalog that would take something away", async () => {
    const page = await visitor(tokens.platform);
    await page.click("text=Catálogo");
    const less = tokens.catalog.replace("sessions = 300, users = 10", "sessions = 250, users = 10");
    assert.notEqual(less, tokens.catalog);
    await page.fill("textarea", less);
    await page.click("text=Ver o que muda");
    await has(page, "plans.basico.limits.sessions");
    await has(page, "Ele retira alguma coisa.");
    await accessible(page, "catalog");
    await page.click("button[value=load]");
    await has(page, "Marque a caixa para carregar.");
    await page.check("input[name=confirmed]");
    await page.click("button[value=load]");
    await has(page, "Carregado.");
});

test("change a plan, with what it means before", async () => {
    const page = await visitor(tokens.platform);
    await page.goto("/console/tenants/escola-pequeno-principe?plan=basico&usage=carry");
    await has(page, "Nada passaria do limite.");
    await page.click("button:has-text('Mudar o plano')");
    await has(page, "O plano mudou.");
    await page.goto("/console/tenants/escola-pequeno-principe?plan=none&usage=carry");
    await has(page, "Nada foi alterado.");
});

const PAGES = [
    ["login", null, "/login"],
    ["subscription", "manager", "/subscription/padaria-aurora"],
    ["usage", "manager", "/subscription/padaria-aurora/usage"],
    ["extras", "manager", "/subscription/padaria-aurora/extras?package=conversas_extras&quantity=450"],
    ["console", "platform", "/console"],
    ["refusals", "platform", "/console/refusals?by=day"],
    ["tenant", "platform", "/console/tenants/padaria-aurora"],
    ["account", "platform", "/console/accounts/new"],
    ["catalog", "platform", "/console/catalog"],
    ["nothing", "platform", "/console?q=none-such"],
];

/** Calls `see` with each page, as the visitor that may see it. */
async function everyPage(options, see) {
    for (const who of [null, "manager", "platform"]) {
        const page = await visitor(who && tokens[who], options);
        for (const [name, , path] of PAGES.filter(([, needs]) => needs === who)) {
            const answer = await page.goto(path);
            assert.equal(answer.status(), 200, path);
            await see(page, name);
        }
        await page.context().close();
    }
}

test("every page, light and dark, narrow and wide", async () => {
    await everyPage({}, async (page, name) => {
        for (const colorScheme of ["light", "dark"]) {
            for (const width of WIDTHS) {
                await page.emulateMedia({ colorScheme });
                await page.setViewportSize({ width, height: 900 });
                const path = join(shots, `${name}-${width}-${colorScheme}.png`);
                await page.screenshot({ path, fullPage: true });
            }
        }
    });
});

test("no page is wider than the screen, and everyone can use it", async () => {
    await everyPage({ width: 360 }, (page, name) => accessible(page, name));
    await everyPage({ width: 1280, locale: "en-US" }, (page, name) => accessible(page, `${name} en`));
});

test("the keyboard alone logs in and reaches the content", async () => {
    const page = await visitor();
    await page.goto("/login");
    await page.focus("#token");
    await page.keyboard.type(tokens.manager);
    await page.keyboard.press("Enter");
    await page.waitForURL("**/subscription/**", { waitUntil: "load" });
    await page.keyboard.press("Tab");
    assert.equal(await page.locator(":focus").getAttribute("href"), "#content");
});

test("the language can be chosen, and stays", async () => {
    const page = await visitor(tokens.manager, { locale: "en-US" });
    await has(page, "My subscription");
    await has(page, "2026-06-10");
    await page.click("text=Português");
    await has(page, "10/06/2026");
    await page.goto("/subscription/padaria-aurora/usage");
    await has(page, "Consumo");
});

test("the statement prints without what is only for the screen", async () => {
    const page = await visitor(tokens.manager);
    await page.emulateMedia({ media: "print" });
    assert.equal(await page.locator("header.bar").isVisible(), false);
    assert.equal(await page.locator("#invoices").isVisible(), true);
    await page.screenshot({ path: join(shots, "subscription-print.png"), fullPage: true });
});

let failed = 0;
const chosen = tests.filter(([name]) => name.includes(only));
for (const [name, run] of chosen) {
    const began = Date.now();
    try {
        await run();
        console.log(`ok      ${name} (${((Date.now() - began) / 1000).toFixed(1)} s)`);
    } catch (error) {
        failed += 1;
        console.log(`FAILED  ${name}\n${error.stack}`);
    }
}
if (process.env.COTAS_WRITE && failed === 0) {
    for (const [file, to] of [
        ["subscription-1280-light", "page-subscription"],
        ["console-1280-dark", "page-console"],
        ["account-wrong-1280-light", "page-account"],
    ]) {
        copyFileSync(join(shots, `${file}.png`), join(root, "docs/pictures", `${to}.png`));
    }
}
await browser.close();
server.stop();
console.log(`${chosen.length - failed} passed, ${failed} failed`);
process.exit(failed === 0 && chosen.length > 0 ? 0 : 1);
