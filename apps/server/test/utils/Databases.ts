import { MerchantId } from "@credit/domain/Ids"
import { Settings } from "@credit/server/config/Settings"
import { MerchantDatabases } from "@credit/server/merchants/MerchantDatabases"
import { MerchantDirectory } from "@credit/server/merchants/MerchantDirectory"
import type { MerchantUrls } from "@credit/server/merchants/MerchantUrls"
import * as NodeFileSystem from "@effect/platform-node/NodeFileSystem"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as Redacted from "effect/Redacted"
import * as Scope from "effect/Scope"

export const urlsOf = (merchantId: string, url: string, more: Partial<MerchantUrls> = {}): MerchantUrls => ({
  merchantId: MerchantId.make(merchantId),
  runtimeUrl: Redacted.make(url),
  migrationUrl: undefined,
  fromTemplate: false,
  ...more
})

export interface TestDatabases {
  readonly databases: MerchantDatabases["Service"]
  readonly directory: MerchantDirectory["Service"]
  readonly logged: ReadonlyArray<string>
  close(): Promise<void>
}

/** The databases of some merchants, as the service has them; settings as environment variables. */
export const openDatabases = async (
  merchants: ReadonlyArray<MerchantUrls>,
  environment: Readonly<Record<string, string>> = {}
): Promise<TestDatabases> => {
  const logged: Array<string> = []
  const scope = await Effect.runPromise(Scope.make())
  const layer = MerchantDatabases.layer.pipe(
    Layer.provideMerge(MerchantDirectory.layerOf(merchants)),
    Layer.provide(Settings.layer),
    Layer.provide(NodeFileSystem.layer),
    Layer.provide(
      ConfigProvider.layer(ConfigProvider.fromEnv({ env: { JWT_SECRET: "x".repeat(32), ...environment } }))
    ),
    Layer.provide(Logger.layer([Logger.map(Logger.formatJson, (line) => void logged.push(line))]))
  )
  const context = await Effect.runPromise(Layer.buildWithScope(layer, scope))
  return {
    databases: Context.get(context, MerchantDatabases),
    directory: Context.get(context, MerchantDirectory),
    logged,
    close: () => Effect.runPromise(Scope.close(scope, Exit.void))
  }
}

/** What an effect ended with and after how many milliseconds. */
export const timed = async <A, E>(effect: Effect.Effect<A, E>) => {
  const started = performance.now()
  const result = await Effect.runPromise(Effect.result(effect))
  return { result, milliseconds: performance.now() - started }
}

/** Waits until something is so; fails after ten seconds. */
export const eventually = async (what: string, isSo: () => boolean | Promise<boolean>): Promise<void> => {
  const limit = performance.now() + 10_000
  while (!(await isSo())) {
    if (performance.now() > limit) throw new Error(`never came to be: ${what}`)
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
}
