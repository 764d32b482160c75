// Opens a page of Swagger UI in headless Chromium and reports what a person would see, as one JSON object:
//   node browse.mjs CHROMIUM PROFILE URL SCREENSHOT [OPERATION PARAMETER VALUE]...
// OPERATION is the text of a method and a path ("GET /pets/{id}"), which is tried out with that value.
import { chromium } from "playwright-core";

const [program, profile, url, screenshot, ...tries] = process.argv.slice(2);
const result = { errors: [], requests: [], operations: [], tried: [] };
const context = await chromium.launchPersistentContext(profile, {
  executablePath: program,
  headless: true,
  ignoreHTTPSErrors: true,
  args: ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync"],
  viewport: { width: 1200, height: 1400 },
});
try {
  const page = await context.newPage();
  page.on("console", (message) => {
    if (["error", "warning"].includes(message.type())) {
      result.errors.push(`${message.type()}: ${message.text()}`);
    }
  });
  page.on("pageerror", (error) => result.errors.push(`exception: ${error.message}`));
  page.on("response", (response) => result.requests.push(`${response.status()} ${response.url()}`));
  await page.goto(url);
  await page.waitForSelector(".opblock", { timeout: 60000 });
  result.title = await page.title();
  result.operations = await page.$$eval(".opblock-summary", (blocks) => blocks.map((block) =>
    block.querySelector(".opblock-summary-method").textContent + " " +
    block.querySelector(".opblock-summary-path").textContent.replaceAll("\u200b", "").trim()));
  for (let at = 0; at < tries.length; at += 3) {
    const [operation, parameter, value] = tries.slice(at, at + 3);
    const block = page.locator(".opblock").nth(result.operations.indexOf(operation));
    await block.locator(".opblock-summary").click();
    await block.getByRole("button", { name: "Try it out" }).click();
    if (parameter) {
      await block.locator(`tr[data-param-name="${parameter}"] input`).fill(value);
    }
    await block.getByRole("button", { name: "Execute" }).click();
    const answer = block.locator(".live-responses-table .response");
    await answer.waitFor({ timeout: 30000 });
    result.tried.push({
      url: (await block.locator(".request-url pre").innerText()).trim(),
      status: (await answer.locator(".response-col_status").innerText()).trim().split(/\s/)[0],
      body: (await answer.locator(".highlight-code code, .microlight").first().innerText()).trim(),
    });
  }
  await page.screenshot({ path: screenshot });
} finally {
  await context.close();
}
console.log(JSON.stringify(result));
