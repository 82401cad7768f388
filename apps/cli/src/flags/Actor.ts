import { text } from "@credit/domain/Ids"
import * as Flag from "effect/cli/Flag"
import * as Effect from "effect/Effect"
import { Environment } from "../Environment.ts"
import { UsageProblem } from "../Problem.ts"
import { Service } from "../Service.ts"
import { maybe, textFlag } from "./Checked.ts"

/** On whose behalf a correction is made; it stands in the ledger's entries. */
export const actorFlag = maybe(
  textFlag("actor", text(200)).pipe(
    Flag.withMetavar("name"),
    Flag.withDescription("Who does it, for the record (default: the operator's name in the token, else your login)")
  )
)

/** The actor: as given, else the person whose token it is, else who is logged in. */
export const actorOf = Effect.fnUntraced(function* (given: string | undefined) {
  const service = yield* Service
  const { claims } = yield* service.connection
  const { LOGNAME, USER } = yield* Environment
  const actor = given ?? (claims?.role === "operator" ? claims.sub : undefined) ?? (USER || LOGNAME)
  if (actor !== undefined && actor !== "") return actor
  return yield* new UsageProblem({ message: "Nobody knows who you are", hint: "give --actor" })
})
