import { MerchantId } from "@credit/domain/Ids"
import type { UserBalance } from "@credit/domain/UserBalance"
import { Caller, type Role } from "@credit/rpc/Access"
import { Api } from "@credit/rpc/Api"
import { Unauthorized } from "@credit/rpc/Errors"
import type { RpcPayload } from "@credit/rpc/types"
import { AccessLive } from "@credit/server/access/AccessLive"
import { Revocations } from "@credit/server/access/Revocations"
import { signToken, type TokenRequest } from "@credit/server/access/signToken"
import type { TokenClaims } from "@credit/server/access/TokenClaims"
import { Tokens } from "@credit/server/access/Tokens"
import { Engine } from "@credit/server/commands/Engine"
import { EncodedExit, type Submission } from "@credit/server/commands/Submission"
import { Settings } from "@credit/server/config/Settings"
import { Draining } from "@credit/server/health/Draining"
import { HealthRoutes } from "@credit/server/health/Health"
import { HealthReports } from "@credit/server/health/HealthReport"
import { commandHandlers } from "@credit/server/http/EncodedHandlers"
import { HttpServerLive } from "@credit/server/http/HttpServerLive"
import { rpcRoute } from "@credit/server/http/RpcRoute"
import { MerchantDatabases } from "@credit/server/merchants/MerchantDatabases"
import { MerchantDirectory } from "@credit/server/merchants/MerchantDirectory"
import { Metrics } from "@credit/server/telemetry/Metrics"
import { Reporter } from "@credit/server/telemetry/Reporter"
import * as NodeFileSystem from "@effect/platform-node/NodeFileSystem"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Context from "effect/Context"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as HttpRouter from "effect/http/HttpRouter"
import * as HttpServer from "effect/http/HttpServer"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as Redacted from "effect/Redacted"
import type * as Rpc from "effect/rpc/Rpc"
import type * as RpcGroup from "effect/rpc/RpcGroup"
import * as RpcSchema from "effect/rpc/RpcSchema"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"

export const SECRET = "the-secret-of-the-tests-is-long-enough"

/** The edge on a port of its own, with handlers a test controls instead of a database. */
export interface TestService {
  readonly url: string
  readonly port: number
  /** What was logged so far, a line each. */
  readonly logged: ReadonlyArray<string>
  /** The commands that reached the engine. */
  readonly submitted: ReadonlyArray<Submission>
  close(): Promise<void>
}

export interface TestServiceOptions {
  /** Settings as environment variables, on top of a secret and a free port. */
  readonly environment?: Readonly<Record<string, string>>
  readonly merchants?: ReadonlyArray<string>
  /** Where merchants' databases are, for those that have one. */
  readonly urls?: Readonly<Record<string, string>>
  readonly isRevoked?: (claims: TokenClaims) => boolean
  readonly submit?: (submission: Submission) => Effect.Effect<EncodedExit>
  readonly getUserBalance?: (
    payload: RpcPayload<typeof Api, "GetUserBalance">,
    caller: Caller["Service"]
  ) => Effect.Effect<UserBalance>
}

/** An answer that is easy to tell: who asked, and for whom. */
export const emptyBalance = (payload: RpcPayload<typeof Api, "GetUserBalance">): UserBalance => ({
  userId: payload.userId,
  balance: 0,
  held: 0,
  available: 0,
  debt: 0,
  currency: "credits",
  asOf: DateTime.makeUnsafe("2026-01-01T00:00:00.000Z"),
  activeLots: []
})

export const succeeded = (value: unknown): EncodedExit => new EncodedExit(JSON.stringify({ _tag: "Success", value }))

/** A handler that dies for every RPC of the contract, whatever there is: tests of the edge give those they use. */
const unusedHandlers = Context.makeUnsafe<Rpc.ToHandler<RpcGroup.Rpcs<typeof Api>>>(
  new Map(
    Array.from(Api.requests.values(), (rpc) => {
      const defect = new Error("the test has no such handler: secret detail")
      const handler = () => (RpcSchema.isStreamSchema(rpc.successSchema) ? Stream.die(defect) : Effect.die(defect))
      return [rpc.key, { tag: rpc._tag, handler, context: Context.empty() }]
    })
  )
)

export const startTestService = async (options: TestServiceOptions = {}): Promise<TestService> => {
  const logged: Array<string> = []
  const submitted: Array<Submission> = []
  const engine = Layer.succeed(
    Engine,
    Engine.of({
      submit: (submission) => {
        submitted.push(submission)
        return options.submit?.(submission) ?? Effect.succeed(succeeded({ ranAs: submission.intent.type }))
      }
    })
  )
  const balance = options.getUserBalance ?? ((payload) => Effect.succeed(emptyBalance(payload)))
  const handlers = Layer.mergeAll(
    Layer.effectContext(Effect.succeed(unusedHandlers)),
    commandHandlers(Api),
    Api.toLayerHandler("GetUserBalance", (payload) => Effect.flatMap(Caller, (caller) => balance(payload, caller)))
  )
  const routes = Layer.mergeAll(rpcRoute(Api).pipe(Layer.provide([handlers, AccessLive])), HealthRoutes)
  const revocations = Layer.succeed(
    Revocations,
    Revocations.of({
      check: (claims) => (options.isRevoked?.(claims) ? Effect.fail(new Unauthorized({})) : Effect.void),
      changed: () => undefined
    })
  )
  const directory = MerchantDirectory.layerOf(
    (options.merchants ?? ["acme", "other"]).map((id) => ({
      merchantId: MerchantId.make(id),
      runtimeUrl: Redacted.make(options.urls?.[id] ?? "postgres://nobody@127.0.0.1:1/none"),
      migrationUrl: undefined,
      fromTemplate: false
    }))
  )
  const service = HttpRouter.serve(routes, { disableLogger: true, disableListenLog: true }).pipe(
    Layer.provideMerge(HttpServerLive),
    Layer.provide([engine, HealthReports.layer]),
    Layer.provide(MerchantDatabases.layer),
    Layer.provide([Tokens.layer, directory, Draining.layer, Reporter.layerNone, Metrics.layer, NodeFileSystem.layer]),
    Layer.provide(revocations),
    Layer.provide(Settings.layer),
    Layer.provide(
      ConfigProvider.layer(ConfigProvider.fromEnv({ env: { JWT_SECRET: SECRET, PORT: "0", ...options.environment } }))
    ),
    Layer.provide(Logger.layer([Logger.map(Logger.formatJson, (line) => void logged.push(line))]))
  )
  const scope = await Effect.runPromise(Scope.make())
  const context = await Effect.runPromise(Layer.buildWithScope(service, scope))
  const { address } = Context.get(context, HttpServer.HttpServer)
  if (!("port" in address)) throw new Error("the server has no port")
  return {
    url: `http://127.0.0.1:${address.port}`,
    port: address.port,
    logged,
    submitted,
    close: () => Effect.runPromise(Scope.close(scope, Exit.void))
  }
}

export const tokenFor = (request: Partial<TokenRequest> & { readonly role: Role }): Promise<string> =>
  Effect.runPromise(
    signToken(
      { subject: request.role === "operator" ? "ada" : "acme", ttlSeconds: 600, ...request },
      { secret: Redacted.make(SECRET), issuer: "credit-service", audience: "credit-ledger-api" }
    )
  )

/** What one call ended with, as a caller reads it. */
export interface Ended {
  readonly requestId: string | number
  readonly value?: Readonly<Record<string, unknown>>
  readonly error?: Readonly<Record<string, unknown>> & { readonly _tag: string }
}

/** Posts a body to `/rpc` as it is. */
export const post = async (
  service: Pick<TestService, "url">,
  body: string | Uint8Array,
  headers: Readonly<Record<string, string>> = {}
) => {
  const response = await fetch(`${service.url}/rpc`, {
    method: "POST",
    body,
    headers: { "content-type": "application/json", ...headers }
  })
  const text = await response.text()
  return { status: response.status, text, contentType: response.headers.get("content-type"), ended: readEnded(text) }
}

export const readEnded = (text: string): ReadonlyArray<Ended> => {
  const messages: ReadonlyArray<Message> = text.startsWith("[")
    ? JSON.parse(text)
    : text
        .split("\n")
        .filter((line) => line !== "")
        .map((line) => JSON.parse(line))
  return messages
    .filter((message) => message._tag === "Exit")
    .map(({ exit, requestId }) => ({ requestId, value: exit.value, error: exit.cause?.[0]?.error }) as Ended)
}

interface Message {
  readonly _tag: string
  readonly requestId: string | number
  readonly exit: { readonly value?: unknown; readonly cause?: ReadonlyArray<{ readonly error?: unknown }> }
}

/** Sends one call, written as somebody with curl would. */
export const call = async (
  service: Pick<TestService, "url">,
  tag: string,
  payload: unknown,
  options: { readonly token?: string; readonly headers?: Readonly<Record<string, string>> } = {}
): Promise<Ended> => {
  const authorization: Record<string, string> =
    options.token === undefined ? {} : { authorization: `Bearer ${options.token}` }
  const { ended, status, text } = await post(service, JSON.stringify({ tag, payload }), {
    ...authorization,
    ...options.headers
  })
  const [only] = ended
  if (only === undefined || ended.length !== 1) throw new Error(`HTTP ${status}: ${text}`)
  return only
}
