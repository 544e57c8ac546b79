// A REAL OpenID Provider (npm `oidc-provider`, OpenID-certified) for tests: device flow, auth-code+PKCE,
// refresh-token rotation, client credentials, introspection, revocation, JWT access tokens (resource indicators).
//   node provider.mjs PORT            (cwd must hold node_modules/oidc-provider)
// env: AT_TTL / DEVICE_TTL / RT_TTL seconds; TLS_KEY,TLS_CERT,TLS_CA -> https, with mTLS client auth
import fs from 'node:fs';
import http from 'node:http';
import https from 'node:https';
import { createRequire } from 'node:module';
const require = createRequire(process.cwd() + '/');
const { Provider } = await import(require.resolve('oidc-provider'));

const port = Number(process.argv[2]);
const tls = Boolean(process.env.TLS_KEY);
const issuer = process.env.ISSUER ?? `${tls ? 'https' : 'http'}://127.0.0.1:${port}`;
const ttl = (n, d) => Number(process.env[n] ?? d);
const resource = process.env.RESOURCE ?? 'urn:dgx:inference';

const provider = new Provider(issuer, {
  clients: [
    { client_id: 'cmdai-cli', token_endpoint_auth_method: 'none', application_type: 'native',
      redirect_uris: ['http://127.0.0.1/callback', 'http://localhost/callback'], response_types: ['code'],
      grant_types: ['authorization_code', 'refresh_token', 'urn:ietf:params:oauth:grant-type:device_code'] },
    { client_id: 'svc', client_secret: 'svc-secret', token_endpoint_auth_method: 'client_secret_basic',
      redirect_uris: [], response_types: [], grant_types: ['client_credentials'], scope: 'infer' },
    { client_id: 'svc-post', client_secret: 'svc-secret', token_endpoint_auth_method: 'client_secret_post',
      redirect_uris: [], response_types: [], grant_types: ['client_credentials'], scope: 'infer' },
    ...(tls ? [{ client_id: 'svc-mtls', token_endpoint_auth_method: 'tls_client_auth',
      tls_client_auth_subject_dn: process.env.MTLS_DN, tls_client_certificate_bound_access_tokens: true,
      redirect_uris: [], response_types: [], grant_types: ['client_credentials'], scope: 'infer' }] : []),
  ],
  scopes: ['openid', 'offline_access', 'email', 'groups', 'infer'],
  claims: { openid: ['sub'], email: ['email'], groups: ['groups'] },
  findAccount: (_ctx, id) => ({ accountId: id, claims: () => ({ sub: id, email: `${id}@example.test`, groups: ['dgx-users'] }) }),
  clientAuthMethods: ['none', 'client_secret_basic', 'client_secret_post', 'private_key_jwt', ...(tls ? ['tls_client_auth'] : [])],
  pkce: { required: () => true },
  rotateRefreshToken: true,
  issueRefreshToken: (_ctx, client) => client.grantTypeAllowed('refresh_token'),
  ttl: { AccessToken: ttl('AT_TTL', 60), ClientCredentials: ttl('AT_TTL', 60), DeviceCode: ttl('DEVICE_TTL', 120),
    RefreshToken: ttl('RT_TTL', 3600), IdToken: ttl('AT_TTL', 60), Interaction: 600, Session: 3600, Grant: 3600 },
  features: {
    devInteractions: { enabled: true },       // login form that takes any user name: tests drive it over HTTP
    deviceFlow: { enabled: true },
    clientCredentials: { enabled: true },
    introspection: { enabled: true },
    revocation: { enabled: true },
    resourceIndicators: {
      enabled: true,
      defaultResource: () => resource,
      useGrantedResource: () => true,
      getResourceServerInfo: () => ({ scope: 'infer', audience: resource, accessTokenFormat: 'jwt',
        accessTokenTTL: ttl('AT_TTL', 60), jwt: { sign: { alg: 'RS256' } } }),
    },
    ...(tls ? { mTLS: { enabled: true, certificateBoundAccessTokens: true, tlsClientAuth: true, selfSignedTlsClientAuth: false,
      getCertificate: (ctx) => { const c = ctx.socket.getPeerX509Certificate?.(); return c?.toString(); },
      certificateAuthorized: (ctx) => ctx.socket.authorized,
      certificateSubjectMatches: (ctx, property, expected) => property === 'tls_client_auth_subject_dn'
        && ctx.socket.getPeerX509Certificate().subject.split('\n').join(',') === expected } } : {}),
  },
});
provider.on('server_error', (_ctx, err) => console.error('server_error', err));
const srv = tls
  ? https.createServer({ key: fs.readFileSync(process.env.TLS_KEY), cert: fs.readFileSync(process.env.TLS_CERT),
      ca: process.env.TLS_CA && fs.readFileSync(process.env.TLS_CA), requestCert: true, rejectUnauthorized: false }, provider.callback())
  : http.createServer(provider.callback());
srv.listen(port, '127.0.0.1', () => console.log(`READY ${issuer} node ${process.version}`));
