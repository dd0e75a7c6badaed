// A provider on a loopback port over TLS: node server.mjs CERTIFICATE KEY CALLBACK; prints its issuer when it is ready.
// Whoever signs in as NAME gets the address NAME@corp.example; people named `guest…` have an address nobody verified.
import { readFileSync } from 'node:fs';
import { createServer } from 'node:https';
import Provider from 'oidc-provider';

const [certificate, key, callback] = process.argv.slice(2);
const server = createServer({ cert: readFileSync(certificate), key: readFileSync(key) });
server.listen(0, '127.0.0.1', () => {
  const issuer = `https://localhost:${server.address().port}`;
  const provider = new Provider(issuer, {
    clients: [{ client_id: 'pratique', client_secret: 'a secret: with & signs = in+it', redirect_uris: [callback] }],
    claims: { openid: ['sub'], email: ['email', 'email_verified'], profile: ['name'], groups: ['groups'] },
    cookies: { keys: ['for tests'] },
    pkce: { required: () => true },
    findAccount: (_, id) => ({
      accountId: id,
      claims: () => ({
        sub: id,
        name: `Person <b>${id}</b>`,
        email: `${id}@corp.example`,
        email_verified: !id.startsWith('guest'),
        groups: id === 'ada' ? ['builders', 'everybody'] : ['everybody'],
      }),
    }),
  });
  server.on('request', provider.callback());
  console.log(`ISSUER ${issuer}`);
});
process.on('SIGTERM', () => process.exit(0));
