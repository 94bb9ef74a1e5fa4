// in_browser.mjs BROWSER PAGE NAME OPTIONS: what the function NAME of NAME.mjs tells on that
// page, as JSON.
import { chromium } from 'playwright-core';

const [executablePath, page, name, options] = process.argv.slice(2);
// Who runs this ends it when it takes too long; how fast the machine is says nothing here.
const browser = await chromium.launch({
  executablePath,
  timeout: 0,
  // Containers have neither the namespaces nor the shared memory that it would use.
  args: ['--no-sandbox', '--disable-dev-shm-usage', '--disable-gpu'],
});
try {
  const tab = await browser.newPage();
  tab.setDefaultTimeout(0);
  tab.on('pageerror', (error) => console.error(String(error)));
  await tab.goto(page);
  const seen = await tab.evaluate(
    async ([module, given]) => (await import(`./${module}.mjs`))[module](globalThis.Appwrite, given),
    [name, JSON.parse(options)],
  );
  console.log(JSON.stringify(seen));
} finally {
  await browser.close();
}
