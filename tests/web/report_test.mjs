// Opens a report in headless Chromium: nothing in the console, no request but the page itself, every
// chart has marks, tooltips work, nothing scrolls sideways on a phone, light, dark and print hold.
// Environment: SAMPLE_REPORT (program that writes one), MODULES (folder of playwright-core),
// CHROMIUM (browser), OUT (folder for the report and the pictures).
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { pathToFileURL } from "node:url";

const { SAMPLE_REPORT, MODULES, CHROMIUM, OUT } = process.env;
let browser, html, profile;

before(async () => {
  assert.ok(CHROMIUM && existsSync(CHROMIUM),
            "Chromium is missing: apt-get install chromium, or run tools/install-deps");
  const require = createRequire(join(MODULES, "package.json"));
  let playwright;
  try {
    playwright = require("playwright-core");
  } catch (error) {
    assert.fail(`playwright-core is missing: build the target web_test_modules (${error.message})`);
  }
  rmSync(OUT, { recursive: true, force: true });
  mkdirSync(OUT, { recursive: true });
  html = execFileSync(SAMPLE_REPORT, [OUT], { encoding: "utf8" }).trim();
  profile = mkdtempSync(join(tmpdir(), "separatrix-chromium-"));
  browser = await playwright.chromium.launchPersistentContext(profile, {
    executablePath: CHROMIUM,
    headless: true,
    timeout: 60000,
    args: ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
           "--disable-background-networking", "--disable-component-update", "--disable-sync"],
  });
});

after(async () => {
  await browser?.close();
  if (profile) rmSync(profile, { recursive: true, force: true });
});

/// A page of the report with what it said and asked for.
async function open({ width = 1100, height = 900, scheme = "light" } = {}) {
  const page = await browser.newPage();
  const said = [], requests = [];
  page.on("console", (message) => said.push(`${message.type()}: ${message.text()}`));
  page.on("pageerror", (error) => said.push(`error: ${error.message}`));
  page.on("request", (request) => requests.push(request.url()));
  await page.setViewportSize({ width, height });
  await page.emulateMedia({ colorScheme: scheme });
  await page.goto(pathToFileURL(html).href);
  await page.waitForSelector(".chart svg");
  return { page, said, requests };
}

const marks = (page) => page.$$eval(".chart", (charts) => charts.map((chart) => ({
  name: chart.dataset.spec,
  points: chart.querySelectorAll(".mark-symbol path").length,
  all: chart.querySelectorAll(".mark-symbol path, .mark-line path, .mark-rule line, .mark-area path").length,
  label: chart.querySelector("svg")?.closest("[aria-label]")?.getAttribute("aria-label") ??
         chart.querySelector("[aria-label]")?.getAttribute("aria-label"),
})));

test("the page is silent, asks for nothing and draws every chart", async () => {
  const { page, said, requests } = await open();
  const charts = await marks(page);
  const files = readdirSync(join(OUT, "charts"));
  assert.equal(charts.length, 4);
  assert.equal(files.length, charts.length);
  for (const chart of charts) {
    assert.ok(chart.points > 0 && chart.all > chart.points, `${chart.name} has marks: ${JSON.stringify(chart)}`);
    assert.ok(chart.label?.length > 20, `${chart.name} describes itself`);
  }
  assert.deepEqual(said, []);
  assert.deepEqual(requests, [pathToFileURL(html).href]);
  await page.screenshot({ path: join(OUT, "light.png"), fullPage: true });
  await page.close();
});

test("the certified constructions are shown at work, rows of picture and table aligned", async () => {
  const { page, said } = await open({ width: 1280 });
  const titles = await page.$$eval("section[aria-labelledby=inside] h3", (all) => all.map((h) => h.textContent));
  assert.deepEqual(titles, ["shift-register-rnn, length 10", "index-lookup-transformer, length 20"]);
  assert.equal(await page.$("section[aria-labelledby=inside] .note"), null, "no construction is missing");
  const heat = await page.$eval(".heat", (svg) => ({
    label: svg.getAttribute("aria-label"),
    asked: svg.querySelector(".asked").getBoundingClientRect(),
    drawn: svg.querySelectorAll("rect title").length,
    told: svg.querySelector("rect:last-of-type title").textContent,
  }));
  assert.match(heat.label, /21 positions by 21 positions/);
  assert.equal(heat.drawn, 22, "each symbol looks at itself, the query at two positions");
  assert.match(heat.told, /^20 p=\d+ on 20 p=\d+: (50|49\.\d) %$/);
  const rows = await page.$$eval("figure:has(.heat) tr.asked", (all) => all.map((row) => row.getBoundingClientRect()));
  assert.equal(rows.length, 2);
  const middle = (box) => box.y + box.height / 2;
  for (const row of rows) assert.ok(Math.abs(middle(row) - middle(heat.asked)) < 3, "the query's rows are at one height");
  assert.deepEqual(said, []);
  await page.close();
});

test("text from the store stays text", async () => {
  const { page } = await open();
  assert.equal(await page.evaluate(() => window.hacked), undefined);
  assert.ok((await page.textContent(".errors")).includes("<script>window.hacked = true</script>"));
  assert.ok((await page.textContent(".task")).includes("</script>"));
  await page.close();
});

test("a mark under the pointer shows its tooltip, and none elsewhere", async () => {
  const { page, said } = await open();
  for (const figure of await page.$$("figure:has(.chart)")) {
    await figure.scrollIntoViewIfNeeded();
    const point = (await figure.$$(".mark-symbol.role-mark path")).at(-1);
    const box = await point.boundingBox();
    await page.mouse.move(box.x + box.width / 2, box.y + box.height / 2);
    await page.waitForSelector(".tip", { state: "visible", timeout: 3000 });
    const text = await page.textContent(".tip");
    assert.match(text, /(token accuracy|certified at)\S/, `tooltip: ${text}`);
    const tip = await (await page.$(".tip")).boundingBox();
    assert.ok(tip.x >= 0 && tip.x + tip.width <= 1100, "the tooltip is on the screen");
    await page.mouse.move(3, 3);
    await page.waitForSelector(".tip", { state: "hidden", timeout: 3000 });
  }
  assert.deepEqual(said, []);
  await page.close();
});

test("dark differs from light and follows a change", async () => {
  const light = readFileSync(join(OUT, "light.png"));
  const { page, said } = await open({ scheme: "dark" });
  const dark = await page.screenshot({ path: join(OUT, "dark.png"), fullPage: true });
  assert.notDeepEqual(dark, light);
  const ink = () => page.$eval(".chart svg .role-axis-title text, .chart svg text", (text) => getComputedStyle(text).fill);
  const before = await ink();
  await page.emulateMedia({ colorScheme: "light" });
  await page.waitForFunction((old) => getComputedStyle(document.querySelector(".chart svg .role-axis-title text, .chart svg text")).fill !== old, before);
  assert.deepEqual(said, []);
  await page.close();
});

test("a phone scrolls down only", async () => {
  for (const scheme of ["light", "dark"]) {
    const { page, said } = await open({ width: 360, height: 740, scheme });
    const [inner, outer] = await page.evaluate(() => [document.documentElement.scrollWidth, innerWidth]);
    assert.ok(inner <= outer, `the page is ${inner} px wide on a screen of ${outer}`);
    for (const box of await page.$$eval(".chart svg", (all) => all.map((svg) => svg.getBoundingClientRect().width)))
      assert.ok(box > 250 && box <= 360, `a chart is ${box} px wide`);
    await page.screenshot({ path: join(OUT, `phone-${scheme}.png`), fullPage: true });
    assert.deepEqual(said, []);
    await page.close();
  }
});

test("print is light and holds the charts", async () => {
  const { page, said } = await open({ scheme: "dark" });
  await page.evaluate(() => addEventListener("beforeprint", () => {
    // Runs after the page's own listener: what paper will get.
    window.printed = { ink: getComputedStyle(document.querySelector(".chart svg text")).fill,
                       charts: document.querySelectorAll(".chart svg").length };
  }));
  const pdf = await page.pdf({ format: "A4", printBackground: false });
  writeFileSync(join(OUT, "print.pdf"), pdf);
  assert.equal(pdf.subarray(0, 5).toString(), "%PDF-");
  assert.ok(pdf.length > 20000, `the PDF has ${pdf.length} bytes`);
  const printed = await page.evaluate(() => window.printed);
  assert.equal(printed.charts, 4);
  const luminance = printed.ink.match(/\d+/g).slice(0, 3).reduce((sum, c) => sum + Number(c), 0) / 3;
  assert.ok(luminance < 128, `paper gets dark ink: ${printed.ink}`);
  assert.equal(await page.evaluate(() => "print" in document.documentElement.dataset), false);
  assert.deepEqual(said, []);
  await page.close();
});
