import { createHmac, timingSafeEqual } from 'node:crypto';

const header = (name, fallback) => (process.env[name] || fallback).toLowerCase();

function isSigned(body, signature, secret) {
  const given = Buffer.from(signature.replace(/^sha256=/, '').toLowerCase());
  const right = Buffer.from(createHmac('sha256', secret).update(body).digest('hex'));
  // Comparing byte by byte would tell a guesser, by its time, how much is right.
  return given.length === right.length && timingSafeEqual(given, right);
}

export default async ({ req, res, log, error }) => {
  const secret = process.env.WEBHOOK_SECRET;
  if (!secret) {
    error('The variable WEBHOOK_SECRET is not set, so no signature can be checked.');
    return res.json({ error: 'The receiver is not set up yet.' }, 500);
  }
  if (req.method !== 'POST') {
    return res.json({ error: 'Webhooks are sent with POST.' }, 405, { allow: 'POST' });
  }
  const signature = req.headers[header('SIGNATURE_HEADER', 'x-hub-signature-256')] ?? '';
  if (!isSigned(Buffer.from(req.bodyBinary), signature, secret)) {
    error('A webhook with a missing or wrong signature was refused.');
    return res.json({ error: 'The signature is missing or wrong.' }, 401);
  }
  const event = req.headers[header('EVENT_HEADER', 'x-github-event')] ?? 'unknown';
  log(`Received ${event}, ${req.bodyBinary.byteLength} bytes`);

  // The sender is who it says it is: act on req.bodyText here.

  return res.json({ received: true, event });
};
