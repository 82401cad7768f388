import { createHmac, generateKeyPairSync, randomUUID } from "node:crypto"
import { CompactEncrypt, SignJWT, UnsecuredJWT } from "jose"
import { afterAll, assert, beforeAll, describe, it } from "vitest"
import { call, post, SECRET, startTestService, type TestService } from "../utils/TestService.ts"

const key = new TextEncoder().encode(SECRET)
const OTHER_SECRET = new TextEncoder().encode("another secret of more than thirty-two bytes")
const now = () => Math.floor(Date.now() / 1000)

const base64 = (value: unknown) =>
  Buffer.from(typeof value === "string" ? value : JSON.stringify(value)).toString("base64url")

/** The claims of a good token, changed; `undefined` leaves one out. */
const claims = (changes: Readonly<Record<string, unknown>> = {}) => ({
  iss: "credit-service",
  aud: "credit-ledger-api",
  sub: "acme",
  role: "app",
  jti: randomUUID(),
  iat: now(),
  exp: now() + 600,
  ...changes
})

/** Signed with the right secret, however odd header and payload are. */
const hs256 = (payload: unknown, header: unknown = { alg: "HS256", typ: "JWT" }, secret: Uint8Array = key) => {
  const signed = `${base64(header)}.${base64(payload)}`
  return `${signed}.${createHmac("sha256", secret).update(signed).digest("base64url")}`
}

const rsa = generateKeyPairSync("rsa", { modulusLength: 2048 })
const ec = generateKeyPairSync("ec", { namedCurve: "P-256" })

/** Whatever is wrong: not a byte more. */
const REFUSED =
  '[{"_tag":"Exit","requestId":"1","exit":{"_tag":"Failure","cause":[{"_tag":"Fail","error":{"_tag":"Unauthorized"}}]}}]'

describe("a token", () => {
  let service: TestService
  beforeAll(async () => {
    service = await startTestService()
  })
  afterAll(() => service.close())

  const answerTo = async (authorization: string | undefined) => {
    const headers: Record<string, string> = authorization === undefined ? {} : { authorization }
    return post(service, '{"tag":"GetUserBalance","payload":{"userId":"u"}}', headers)
  }

  it("that is good is let in", async () => {
    const { ended } = await answerTo(`Bearer ${hs256(claims())}`)
    assert.strictEqual(ended[0]?.value?.userId, "u")
    assert.isDefined((await answerTo(`bearer  ${hs256(claims())}`)).ended[0]?.value)
    assert.isDefined((await answerTo(`Bearer ${hs256(claims(), { alg: "HS256" })}`)).ended[0]?.value)
    assert.isDefined((await answerTo(`Bearer ${hs256(claims({ aud: ["credit-ledger-api", "x"] }))}`)).ended[0]?.value)
    assert.isDefined((await answerTo(`Bearer ${hs256(claims({ iat: now() + 30 }))}`)).ended[0]?.value)
  })

  const good = () => hs256(claims())
  const [header = "", payload = "", signature = ""] = good().split(".")
  const signedWith = (algorithm: string, secret: Parameters<SignJWT["sign"]>[0]) =>
    new SignJWT(claims()).setProtectedHeader({ alg: algorithm, typ: "JWT" }).sign(secret)

  const bad: ReadonlyArray<readonly [name: string, authorization: () => string | undefined | Promise<string>]> = [
    ["is not there", () => undefined],
    ["is empty", () => "Bearer "],
    ["comes without its scheme", good],
    ["comes as a password", () => `Basic ${good()}`],
    ["is one of two", () => `Bearer ${good()}, Bearer ${good()}`],
    ["is a word", () => "Bearer hello"],
    ["has two parts", () => `Bearer ${header}.${payload}`],
    ["has four parts", () => `Bearer ${good()}.x`],
    [
      "has five parts (it is encrypted)",
      async () => {
        const text = new TextEncoder().encode(JSON.stringify(claims()))
        const sealed = new CompactEncrypt(text).setProtectedHeader({ alg: "dir", enc: "A256GCM" })
        return `Bearer ${await sealed.encrypt(key.slice(0, 32))}`
      }
    ],
    ["is longer than any of ours", () => `Bearer ${hs256(claims({ filler: "x".repeat(9000) }))}`],
    ["has no signature", () => `Bearer ${header}.${payload}.`],
    ["has a signature cut short", () => `Bearer ${header}.${payload}.${signature.slice(0, -2)}`],
    ["has another token's signature", () => `Bearer ${header}.${base64(claims({ role: "operator" }))}.${signature}`],
    ["has a header that is no JSON", () => `Bearer ${base64("hello")}.${payload}.${signature}`],
    ["has a payload that is no JSON", () => `Bearer ${hs256("hello")}`],
    ["has a payload that is a list", () => `Bearer ${hs256([])}`],
    ["is signed with another secret", () => `Bearer ${hs256(claims(), undefined, OTHER_SECRET)}`],
    ["is signed with nothing (none)", () => `Bearer ${new UnsecuredJWT(claims()).encode()}`],
    ["says NoNe", () => `Bearer ${hs256(claims(), { alg: "NoNe" })}`],
    ["says hs256 in small letters", () => `Bearer ${hs256(claims(), { alg: "hs256" })}`],
    ["is HS384 with the right secret", async () => `Bearer ${await signedWith("HS384", Buffer.concat([key, key]))}`],
    ["is HS512 with the right secret", async () => `Bearer ${await signedWith("HS512", Buffer.concat([key, key]))}`],
    ["is RS256 with somebody's key", async () => `Bearer ${await signedWith("RS256", rsa.privateKey)}`],
    ["is ES256 with somebody's key", async () => `Bearer ${await signedWith("ES256", ec.privateKey)}`],
    [
      "brings its own key (jwk)",
      () =>
        `Bearer ${hs256(claims(), { alg: "HS256", jwk: { kty: "oct", k: Buffer.from(OTHER_SECRET).toString("base64url") } }, OTHER_SECRET)}`
    ],
    [
      "names where its key is (jku)",
      () => `Bearer ${hs256(claims(), { alg: "HS256", jku: "https://evil.example/jwks" }, OTHER_SECRET)}`
    ],
    [
      "demands what we do not know (crit)",
      () => `Bearer ${hs256(claims(), { alg: "HS256", crit: ["role"], role: "operator" })}`
    ],
    ["has its payload unencoded (b64)", () => `Bearer ${hs256(claims(), { alg: "HS256", b64: false, crit: ["b64"] })}`],
    ["is of another type", () => `Bearer ${hs256(claims(), { alg: "HS256", typ: "dpop+jwt" })}`],
    ["is of a type that is no text", () => `Bearer ${hs256(claims(), { alg: "HS256", typ: 1 })}`],
    ["has expired", () => `Bearer ${hs256(claims({ iat: now() - 700, exp: now() - 1 }))}`],
    ["expires now", () => `Bearer ${hs256(claims({ exp: now() }))}`],
    ["never expires", () => `Bearer ${hs256(claims({ exp: undefined }))}`],
    ["expires as a text", () => `Bearer ${hs256(claims({ exp: `${now() + 600}` }))}`],
    ["expires at null", () => `Bearer ${hs256(claims({ exp: null }))}`],
    ["was never issued", () => `Bearer ${hs256(claims({ iat: undefined }))}`],
    ["will be issued in an hour", () => `Bearer ${hs256(claims({ iat: now() + 3600, exp: now() + 7200 }))}`],
    ["is older than any may be", () => `Bearer ${hs256(claims({ iat: now() - 401 * 86_400 }))}`],
    ["is not valid before tomorrow", () => `Bearer ${hs256(claims({ nbf: now() + 86_400 }))}`],
    ["has no name (jti)", () => `Bearer ${hs256(claims({ jti: undefined }))}`],
    ["has an empty name", () => `Bearer ${hs256(claims({ jti: "" }))}`],
    ["is another issuer's", () => `Bearer ${hs256(claims({ iss: "somebody" }))}`],
    ["has no issuer", () => `Bearer ${hs256(claims({ iss: undefined }))}`],
    ["is for another audience", () => `Bearer ${hs256(claims({ aud: "somebody" }))}`],
    ["is for nobody", () => `Bearer ${hs256(claims({ aud: undefined }))}`],
    ["is for an empty list", () => `Bearer ${hs256(claims({ aud: [] }))}`],
    ["has no subject", () => `Bearer ${hs256(claims({ sub: undefined }))}`],
    ["has a subject that is no merchant", () => `Bearer ${hs256(claims({ sub: "Acme Corp" }))}`],
    ["has a subject that is a list", () => `Bearer ${hs256(claims({ sub: ["acme"] }))}`],
    ["has no role", () => `Bearer ${hs256(claims({ role: undefined }))}`],
    ["has a role that there is not", () => `Bearer ${hs256(claims({ role: "root" }))}`],
    ["has two roles", () => `Bearer ${hs256(claims({ role: ["app", "admin"] }))}`],
    ["has its role in capitals", () => `Bearer ${hs256(claims({ role: "APP" }))}`],
    ["is a user's without the user", () => `Bearer ${hs256(claims({ role: "user" }))}`],
    ["is a user's with an id that is none", () => `Bearer ${hs256(claims({ role: "user", user_id: "a b" }))}`]
  ]
  for (const [name, authorization] of bad) {
    it(`that ${name} is refused like any other`, async () => {
      const answer = await answerTo(await authorization())
      assert.strictEqual(answer.status, 200)
      assert.strictEqual(answer.text, REFUSED)
    })
  }

  it("that is bad is refused before anything is said about the payload", async () => {
    const { error } = await call(service, "GetUserBalance", { nonsense: true }, { token: "x.y.z" })
    assert.deepStrictEqual(error, { _tag: "Unauthorized" })
  })

  it("is in no log line", async () => {
    const token = hs256(claims({ sub: "no-such-merchant" }))
    await answerTo(`Bearer ${token}`)
    for (const [, authorization] of bad.slice(10, 30)) await answerTo(await authorization())
    assert.lengthOf(service.logged, 0)
  })
})
