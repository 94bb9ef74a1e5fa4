// oauth_in_browser.mjs BROWSER PAGE OPTIONS: signs in with the web SDK by way of a provider's
// page, back to PAGE, and once more without an address of one's own. Tells who is signed in, as JSON.
import { chromium } from 'playwright-core';

const [executablePath, page, options] = process.argv.slice(2);
const given = JSON.parse(options);
const browser = await chromium.launch({
  executablePath,
  // Containers have neither the namespaces nor the shared memory that it would use.
  args: ['--no-sandbox', '--disable-dev-shm-usage', '--disable-gpu'],
  timeout: 0, // who runs this ends it
});

async function leave(tab, addresses) {
  await tab.goto(page);
  await tab.evaluate(
    ([{ endpoint, project }, known]) => {
      const { Client, Account } = globalThis.Appwrite;
      const client = new Client().setEndpoint(endpoint).setProject(project);
      new Account(client).createOAuth2Session({ provider: 'oidc', ...known });
    },
    [given, addresses],
  );
  await tab.fill('input[name=sub]', given.sub);
  await tab.click('button:text("Authorize")');
}

try {
  const context = await browser.newContext();
  context.setDefaultTimeout(0);
  const tab = await context.newPage();
  const errors = [];
  tab.on('pageerror', (error) => errors.push(String(error)));
  tab.on('console', (message) => {
    if (message.text().includes('Content Security Policy')) errors.push(message.text());
  });
  await leave(tab, { success: page, failure: `${page}?failed` });
  await tab.waitForURL(page);
  const seen = await tab.evaluate(async ({ endpoint, project }) => {
    const { Client, Account } = globalThis.Appwrite;
    const account = new Account(new Client().setEndpoint(endpoint).setProject(project));
    const session = await account.getSession({ sessionId: 'current' });
    return { account: await account.get(), session: session.provider };
  }, given);
  await leave(tab, {});
  await tab.waitForURL('**/account/sessions/oauth2/success', { waitUntil: 'commit' });
  await tab.waitForSelector('#app:not([hidden])');
  seen.page = await tab.textContent('h1');
  seen.app = await tab.getAttribute('#app', 'href');
  console.log(JSON.stringify({ ...seen, errors }));
} finally {
  await browser.close();
}
