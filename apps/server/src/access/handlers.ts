import { RequestInProgress } from "@credit/domain/Refusal"
import { Operator } from "@credit/rpc/Access"
import { Tokens } from "@credit/rpc/Tokens"
import * as Effect from "effect/Effect"
import { askedBy } from "../commands/askedBy.ts"
import { Settings } from "../config/Settings.ts"
import type { MerchantDatabases } from "../merchants/MerchantDatabases.ts"
import type { MerchantDirectory } from "../merchants/MerchantDirectory.ts"
import { issueToken } from "./issueToken.ts"
import type { Revocations } from "./Revocations.ts"
import { revokeTokens } from "./revokeTokens.ts"
import type { TokenSigner } from "./TokenSigner.ts"

export const tokenHandlers = Tokens.toLayer(
  Effect.gen(function* () {
    const context = yield* Effect.context<
      MerchantDatabases | MerchantDirectory | Revocations | Settings | TokenSigner
    >()
    const { requestDeadline } = yield* Settings
    /** What has not ended by then is rolled back, or has committed: the same key tells. */
    const inTime = <A, E, R>(call: Effect.Effect<A, E, R>) =>
      Effect.timeoutOrElse(call, {
        duration: requestDeadline,
        orElse: () => Effect.fail(new RequestInProgress({ retryAfterSeconds: 1 }))
      })
    return Tokens.of({
      "Token.Issue": (payload, { headers }) =>
        Effect.gen(function* () {
          const { merchantId } = yield* Operator
          return yield* issueToken(payload, yield* askedBy(headers), merchantId)
        }).pipe(inTime, Effect.provideContext(context)),
      "Token.Revoke": (payload, { headers }) =>
        Effect.flatMap(askedBy(headers), (asked) => revokeTokens(payload, asked)).pipe(
          inTime,
          Effect.provideContext(context)
        )
    })
  })
)
