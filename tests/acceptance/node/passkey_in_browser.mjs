// passkey_in_browser.mjs BROWSER PAGE OPTIONS: what `passkey` tells on that page, as JSON; the
// browser has an authenticator of its own, whose user touches it and is recognized at once.
import { chromium } from 'playwright-core';

const [executablePath, page, options] = process.argv.slice(2);
const browser = await chromium.launch({
  executablePath,
  // Containers have neither the namespaces nor the shared memory that it would use.
  args: ['--no-sandbox', '--disable-dev-shm-usage', '--disable-gpu'],
  timeout: 0, // who runs this ends it
});
try {
  const tab = await browser.newPage();
  tab.setDefaultTimeout(0);
  tab.on('pageerror', (error) => console.error(String(error)));
  const devtools = await tab.context().newCDPSession(tab);
  await devtools.send('WebAuthn.enable');
  await devtools.send('WebAuthn.addVirtualAuthenticator', {
    options: {
      protocol: 'ctap2',
      transport: 'internal',
      hasResidentKey: true,
      hasUserVerification: true,
      isUserVerified: true,
      automaticPresenceSimulation: true,
    },
  });
  await tab.goto(page);
  const seen = await tab.evaluate(
    async (given) => (await import('./passkey.mjs')).passkey(globalThis.Appwrite, given),
    JSON.parse(options),
  );
  console.log(JSON.stringify(seen));
} finally {
  await browser.close();
}
