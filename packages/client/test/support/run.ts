import { CreditClient, type CreditClientShape } from "@credit/client/CreditClient"
import type { ClientOptions } from "@credit/client/Options"
import * as Effect from "effect/Effect"
import { type FakeOptions, FakeService, type Reaction, type ReceivedCall } from "./FakeService.ts"

/** A token that must turn up nowhere but in the `Authorization` of HTTP requests. */
export const TOKEN = "canary-token-3f9c"

/** Pauses too short to wait for; the pace itself is tested with a clock of its own. */
export const quick = { total: "20 seconds", firstDelay: "1 millis", maxDelay: "2 millis" } as const

export const optionsFor = (service: FakeService): ClientOptions => ({
  baseUrl: service.url,
  token: TOKEN,
  retry: quick
})

/** Runs a scenario: a fake service that reacts as told, a client of it, and what a caller does. */
export const scenario = async <A, E>(
  react: (call: ReceivedCall) => Reaction,
  act: (client: CreditClientShape, service: FakeService) => Effect.Effect<A, E>,
  options?: Partial<ClientOptions>,
  fake?: FakeOptions
): Promise<{ readonly result: A; readonly service: FakeService }> => {
  const service = await FakeService.start(react, fake)
  try {
    const result = await CreditClient.use((client) => act(client, service)).pipe(
      Effect.provide(CreditClient.layer({ ...optionsFor(service), ...options })),
      Effect.runPromise
    )
    return { result, service }
  } finally {
    await service.stop()
  }
}
