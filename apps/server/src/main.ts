import { Api } from "@credit/rpc/Api"
import * as NodeFileSystem from "@effect/platform-node/NodeFileSystem"
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as HttpRouter from "effect/http/HttpRouter"
import * as Layer from "effect/Layer"
import { AccessLive } from "./access/AccessLive.ts"
import { tokenHandlers } from "./access/handlers.ts"
import { Revocations } from "./access/Revocations.ts"
import { TokenSigner } from "./access/TokenSigner.ts"
import { Tokens } from "./access/Tokens.ts"
import { overviewHandlers } from "./accounts/handlers.ts"
import { auditHandlers } from "./audit/handlers.ts"
import { catalogHandlers } from "./catalog/handlers.ts"
import { Engine } from "./commands/Engine.ts"
import { LoggingLive } from "./config/Logging.ts"
import { Settings } from "./config/Settings.ts"
import { EmbeddedGround, EmbeddedWelcome, isEmbedded } from "./embedded/Embedded.ts"
import { explanationHandlers } from "./explanations/handlers.ts"
import { exportHandlers } from "./exports/handlers.ts"
import { Draining } from "./health/Draining.ts"
import { HealthRoutes } from "./health/Health.ts"
import { HealthReports } from "./health/HealthReport.ts"
import { commandHandlers } from "./http/EncodedHandlers.ts"
import { HttpServerLive } from "./http/HttpServerLive.ts"
import { rpcRoute } from "./http/RpcRoute.ts"
import { jobHandlers } from "./jobs/handlers.ts"
import { JobScheduler } from "./jobs/JobScheduler.ts"
import { JobsOfNewMerchants } from "./jobs/JobsOfNewMerchants.ts"
import { accountHandlers } from "./ledger/handlers.ts"
import { merchantHandlers } from "./merchants/handlers.ts"
import { MerchantDatabases } from "./merchants/MerchantDatabases.ts"
import { MerchantDirectory } from "./merchants/MerchantDirectory.ts"
import { OnboardingHooks } from "./merchants/OnboardingHooks.ts"
import { migrationHandlers } from "./migrations/handlers.ts"
import { operationHandlers } from "./operations/handlers.ts"
import { exitCode, reportFailure, ShutdownLimit } from "./process.ts"
import { purchaseHandlers } from "./purchases/handlers.ts"
import { receiptHandlers } from "./receipts/handlers.ts"
import { statementHandlers } from "./statements/handlers.ts"
import { Gauges } from "./telemetry/Gauges.ts"
import { Metrics } from "./telemetry/Metrics.ts"
import { MetricsRoute } from "./telemetry/MetricsRoute.ts"
import { SentryLive } from "./telemetry/Sentry.ts"
import { WatchedMerchants } from "./telemetry/WatchedMerchants.ts"
import { usageHandlers } from "./usage/handlers.ts"
import { verificationHandlers } from "./verification/handlers.ts"

/** What answers each RPC of the contract: commands through the engine or procedures, queries from the merchant's database. */
const Handlers = Layer.mergeAll(
  commandHandlers(Api),
  accountHandlers,
  catalogHandlers,
  auditHandlers,
  explanationHandlers,
  exportHandlers,
  operationHandlers,
  overviewHandlers,
  purchaseHandlers,
  receiptHandlers,
  statementHandlers,
  tokenHandlers,
  migrationHandlers,
  merchantHandlers,
  jobHandlers,
  usageHandlers,
  verificationHandlers
)

const Routes = Layer.mergeAll(
  rpcRoute(Api).pipe(Layer.provide([Handlers, AccessLive])),
  HealthRoutes,
  MetricsRoute,
  Gauges
)

/** Settings and merchants: from the environment, or, where that names none outside production, a PostgreSQL of our own. */
const Configured = MerchantDirectory.layer.pipe(Layer.provideMerge(Settings.layer))

/**
 * The whole service. Each layer is closed before those below it: the HTTP server ends its requests, then the engine its
 * commands, then the pools are closed.
 */
const Service = HttpRouter.serve(Routes, { disableLogger: true }).pipe(
  Layer.provideMerge(HttpServerLive),
  Layer.provide([Engine.layer, HealthReports.layer]),
  Layer.provide([
    Tokens.layer,
    TokenSigner.layer,
    Revocations.layer,
    WatchedMerchants.pipe(Layer.provide(JobsOfNewMerchants), Layer.provide(OnboardingHooks.layerNone))
  ]),
  Layer.provide(JobScheduler.layer),
  Layer.provide(MerchantDatabases.layer),
  Layer.provide([ShutdownLimit, Draining.layer]),
  Layer.provide([Metrics.layer, SentryLive]),
  Layer.provide(LoggingLive)
)

const Main = isEmbedded(process.env)
  ? EmbeddedWelcome.pipe(Layer.provide(Service), Layer.provide(EmbeddedGround))
  : Service.pipe(Layer.provide(Configured))

Layer.launch(Main.pipe(Layer.provide(NodeFileSystem.layer))).pipe(
  reportFailure,
  NodeRuntime.runMain({ disableErrorReporting: true, teardown: exitCode })
)
