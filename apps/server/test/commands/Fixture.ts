import { randomUUID } from "node:crypto"
import { type CommandIntent, type CommandType, commandPayloads } from "@credit/domain/Command"
import { type Command, fingerprint, transactionId } from "@credit/domain/decide"
import { makeUuidV7 } from "@credit/domain/Uuid"
import { ServiceUnavailable } from "@credit/rpc/Errors"
import type { EngineDatabase } from "@credit/server/commands/Runner"
import { Worker, type WorkerOptions } from "@credit/server/commands/Worker"
import * as PgPool from "@effect/sql-pg/PgPool"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import * as Scope from "effect/Scope"
import { createMerchantDatabase } from "../../../../test/utils/Postgres.ts"
import { openSession, type Session } from "../../../../test/utils/Session.ts"
import { addSamples } from "../../../../test/utils/samples.ts"

/** The exit of a command as a caller reads it: `value`, or `error` with its `_tag`. */
export interface Answer {
  readonly value?: object
  readonly error?: object
}

/** What stands at a path in an answer. */
export const at = (json: unknown, ...path: ReadonlyArray<string>): unknown =>
  path.reduce<unknown>(
    (inner, field) => (typeof inner === "object" && inner !== null ? Reflect.get(inner, field) : undefined),
    json
  )

export interface RunOptions {
  readonly key?: string
  readonly role?: "app" | "admin" | "operator"
  readonly dryRun?: boolean
}

/** A merchant's database with the sample catalog, and workers on it as separate server processes would have them. */
export interface Fixture {
  readonly owner: Session
  readonly runtimeUrl: string
  /** Runs a command to its end through the first worker, or the given one. */
  run<T extends CommandType>(
    type: T,
    payload: (typeof commandPayloads)[T]["Encoded"],
    options?: RunOptions
  ): Promise<Answer>
  runOn<T extends CommandType>(
    worker: Worker,
    type: T,
    payload: (typeof commandPayloads)[T]["Encoded"],
    options?: RunOptions
  ): Promise<Answer>
  /** A worker with connections of its own; `around` may stand between it and its database. */
  makeWorker(options?: Partial<WorkerOptions>, around?: (database: EngineDatabase) => EngineDatabase): Promise<Worker>
  close(): Promise<void>
}

export const makeFixture = async (adminUrl: string, options: { readonly sandbox?: boolean } = {}): Promise<Fixture> => {
  const database = await createMerchantDatabase(adminUrl, options)
  const scope = await Effect.runPromise(Scope.make())
  const scoped = <A, E>(effect: Effect.Effect<A, E, Scope.Scope>) =>
    Effect.runPromise(Effect.provideService(effect, Scope.Scope, scope))
  const owner = await openSession(database.ownerUrl)
  await addSamples(database)

  const makeWorker: Fixture["makeWorker"] = async (overrides = {}, around = (it) => it) => {
    const pool = await scoped(
      PgPool.make({
        url: Redacted.make(database.runtimeUrl),
        multiplex: true,
        multiplexConcurrency: 1,
        maxConnections: 8
      })
    )
    const engineDatabase: EngineDatabase = {
      connection: Effect.mapError(pool.get, () => new ServiceUnavailable({ retryAfterSeconds: 1 })),
      discard: pool.invalidate
    }
    return new Worker({
      database: Effect.succeed(around(engineDatabase)),
      newId: makeUuidV7(),
      silence: Duration.seconds(8),
      batchSize: 100,
      queueBound: 5000,
      batchesInFlight: 3,
      onCommitted: () => undefined,
      fork: Effect.runFork,
      ...overrides
    })
  }
  const first = await makeWorker()

  const runOn: Fixture["runOn"] = async (
    worker,
    type,
    payload,
    { dryRun = false, key = randomUUID(), role = "app" } = {}
  ) => {
    const command = makeCommand(database.merchantId, type, payload, { dryRun, key, role })
    const { json } = await Effect.runPromise(worker.submit(command))
    return readAnswer(json)
  }
  return {
    owner,
    runtimeUrl: database.runtimeUrl,
    runOn,
    run: (type, payload, options) => runOn(first, type, payload, options),
    makeWorker,
    close: async () => {
      await Effect.runPromise(first.idle)
      await owner.close()
      await Effect.runPromise(Scope.close(scope, Exit.void))
      await database.drop()
    }
  }
}

const decoders = {
  "Purchase.Settled": Schema.decodeUnknownSync(commandPayloads["Purchase.Settled"]),
  "Operation.Open": Schema.decodeUnknownSync(commandPayloads["Operation.Open"]),
  "Operation.RecordAndClose": Schema.decodeUnknownSync(commandPayloads["Operation.RecordAndClose"]),
  "Operation.Cancel": Schema.decodeUnknownSync(commandPayloads["Operation.Cancel"]),
  "Operation.Extend": Schema.decodeUnknownSync(commandPayloads["Operation.Extend"]),
  "Grant.Apply": Schema.decodeUnknownSync(commandPayloads["Grant.Apply"]),
  "Product.Create": Schema.decodeUnknownSync(commandPayloads["Product.Create"]),
  "Product.Archive": Schema.decodeUnknownSync(commandPayloads["Product.Archive"]),
  "OperationType.Create": Schema.decodeUnknownSync(commandPayloads["OperationType.Create"]),
  "Merchant.Configure": Schema.decodeUnknownSync(commandPayloads["Merchant.Configure"]),
  "Maintenance.Enter": Schema.decodeUnknownSync(commandPayloads["Maintenance.Enter"]),
  "Maintenance.Exit": Schema.decodeUnknownSync(commandPayloads["Maintenance.Exit"]),
  "CreditAdjustment.Apply": Schema.decodeUnknownSync(commandPayloads["CreditAdjustment.Apply"]),
  "DebitAdjustment.Apply": Schema.decodeUnknownSync(commandPayloads["DebitAdjustment.Apply"]),
  "Refund.Apply": Schema.decodeUnknownSync(commandPayloads["Refund.Apply"]),
  "Chargeback.Apply": Schema.decodeUnknownSync(commandPayloads["Chargeback.Apply"]),
  "Chargeback.Resolve": Schema.decodeUnknownSync(commandPayloads["Chargeback.Resolve"]),
  "Sandbox.AdvanceClock": Schema.decodeUnknownSync(commandPayloads["Sandbox.AdvanceClock"])
}

const intentOf = (type: CommandType, payload: unknown): CommandIntent => {
  switch (type) {
    case "Purchase.Settled":
      return { type, payload: decoders[type](payload) }
    case "Operation.Open":
      return { type, payload: decoders[type](payload) }
    case "Operation.RecordAndClose":
      return { type, payload: decoders[type](payload) }
    case "Operation.Cancel":
      return { type, payload: decoders[type](payload) }
    case "Operation.Extend":
      return { type, payload: decoders[type](payload) }
    case "Grant.Apply":
      return { type, payload: decoders[type](payload) }
    case "Product.Create":
      return { type, payload: decoders[type](payload) }
    case "Product.Archive":
      return { type, payload: decoders[type](payload) }
    case "OperationType.Create":
      return { type, payload: decoders[type](payload) }
    case "Merchant.Configure":
      return { type, payload: decoders[type](payload) }
    case "Maintenance.Enter":
      return { type, payload: decoders[type](payload) }
    case "Maintenance.Exit":
      return { type, payload: decoders[type](payload) }
    case "CreditAdjustment.Apply":
      return { type, payload: decoders[type](payload) }
    case "DebitAdjustment.Apply":
      return { type, payload: decoders[type](payload) }
    case "Refund.Apply":
      return { type, payload: decoders[type](payload) }
    case "Chargeback.Apply":
      return { type, payload: decoders[type](payload) }
    case "Chargeback.Resolve":
      return { type, payload: decoders[type](payload) }
    case "Sandbox.AdvanceClock":
      return { type, payload: decoders[type](payload) }
  }
}

const makeCommand = (
  merchantId: string,
  type: CommandType,
  payload: unknown,
  { dryRun, key, role }: Required<RunOptions>
): Command => {
  const intent = intentOf(type, payload)
  const transaction = transactionId(merchantId, type, key)
  return {
    intent,
    key,
    dryRun,
    sender: { role, subject: role === "operator" ? "olga" : merchantId, tokenId: "test-token" },
    transactionId: transaction,
    ...fingerprint(intent.payload, transaction)
  }
}

export const readAnswer = (json: string): Answer => {
  const exit: { readonly value?: object; readonly cause?: ReadonlyArray<{ readonly error: object }> } = JSON.parse(json)
  const error = exit.cause?.[0]?.error
  return { ...(exit.value === undefined ? {} : { value: exit.value }), ...(error === undefined ? {} : { error }) }
}
