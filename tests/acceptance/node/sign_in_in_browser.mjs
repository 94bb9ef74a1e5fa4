// sign_in_in_browser.mjs BROWSER LINK PROJECT: opens the link, presses the button, and tells what
// the page says and who is signed in then, as JSON. Twice: the second time it is used up.
import { chromium } from 'playwright-core';

const [executablePath, link, project] = process.argv.slice(2);
const browser = await chromium.launch({
  executablePath,
  // Containers have neither the namespaces nor the shared memory that it would use.
  args: ['--no-sandbox', '--disable-dev-shm-usage', '--disable-gpu'],
  timeout: 0, // who runs this ends it
});

async function press() {
  const context = await browser.newContext();
  context.setDefaultTimeout(0);
  const tab = await context.newPage();
  const errors = [];
  tab.on('pageerror', (error) => errors.push(String(error)));
  tab.on('console', (message) => {
    if (message.text().includes('Content Security Policy')) errors.push(message.text());
  });
  await tab.goto(link);
  const before = await tab.textContent('#told');
  await tab.click('#go');
  await tab.waitForSelector('#go', { state: 'hidden' });
  const told = await tab.textContent('#told');
  const account = await tab.evaluate(async (given) => {
    const headers = { 'x-appwrite-project': given };
    return (await fetch('/v1/account', { headers, credentials: 'include' })).json();
  }, project);
  await context.close();
  return { before, told, account, errors };
}

try {
  console.log(JSON.stringify([await press(), await press()]));
} finally {
  await browser.close();
}
