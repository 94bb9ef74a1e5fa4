// As ../node/rehearsal.cjs; in TypeScript, so that the compiler is warm too.
const respond = async ({ req, res }: { req: { url: string }; res: any }): Promise<unknown> =>
  res.json({ url: req.url });

export default respond;
