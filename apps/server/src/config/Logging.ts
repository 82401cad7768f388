import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as References from "effect/References"
import { Settings } from "./Settings.ts"

/** One JSON object a line in production, for machines; lines for people elsewhere. */
export const LoggingLive = Layer.unwrap(
  Effect.map(Settings, ({ environment, logLevel }) =>
    Layer.merge(
      Logger.layer([environment === "production" ? Logger.consoleJson : Logger.consolePretty()]),
      Layer.succeed(References.MinimumLogLevel, logLevel)
    )
  )
)
