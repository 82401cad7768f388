import type { CreditPromiseClient } from "@credit/client"
import * as Clock from "effect/Clock"
import * as Command from "effect/cli/Command"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import { done, fields, stack, text } from "../../output/Block.ts"
import { bullets } from "../../output/Bullets.ts"
import { Output } from "../../output/Output.ts"
import { count, credits } from "../../output/Words.ts"
import { FaultFound, ServiceSilent } from "../../Problem.ts"
import { Service } from "../../Service.ts"
import { tell } from "../shared.ts"

type Part = ReturnType<CreditPromiseClient["verifyLedger"]> extends AsyncIterable<infer A> ? A : never
type Progress = Extract<Part, { readonly _tag: "Progress" }>
type Fault = Extract<Part, { readonly _tag: "Fault" }>
type Verdict = Extract<Part, { readonly _tag: "Verdict" }>

/** Where nobody watches, how far it has come is a line every so often. */
const LINE_EVERY_MILLIS = 10_000

export const verify = Command.make(
  "verify",
  {},
  Effect.fn("cli.ledger.verify")(function* () {
    const service = yield* Service
    const output = yield* Output
    const faults: Array<Fault> = []
    let verdict: Verdict | undefined
    let said = yield* Clock.currentTimeMillis
    yield* service
      .stream((client, options) => client.verifyLedger({}, options))
      .pipe(
        Stream.runForEach(
          Effect.fnUntraced(function* (part) {
            if (part._tag === "Verdict") verdict = part
            if (part._tag === "Fault") faults.push(part)
            if (part._tag !== "Progress") return
            const now = yield* Clock.currentTimeMillis
            if (!output.watched && now < said + LINE_EVERY_MILLIS) return
            said = now
            yield* output.progress(soFar(part, faults.length))
          })
        )
      )
    yield* output.progressEnd
    if (verdict === undefined) {
      return yield* new ServiceSilent({
        message: "The verification ended without its verdict",
        hint: "nothing is known of what it had not reached: run it again"
      })
    }
    yield* tell(
      { ...verdict, found: faults.map(({ problem, userId }) => ({ userId, problem })) },
      judged(verdict, faults)
    )
    const [first] = faults
    if (first !== undefined) {
      const more = verdict.faults - 1
      return yield* new FaultFound({ message: `${named(first)}${more > 0 ? ` (and ${credits(more)} more)` : ""}` })
    }
  })
).pipe(
  Command.withDescription(
    "Check all of it, from every account's first entry: that entries chain, that balances, lots, debts and holds are the sums of what stands behind them, that receipts have no gap. One verdict; ends with 5 and the first fault if it is not so. The digest is worth keeping: see VerifyLedger. For an admin. What moved lately is checked by a job every hour: job run ledger_verification"
  ),
  Command.withShortDescription("Check that everything is the sum of its entries"),
  Command.withExamples([
    { command: "credit-cli ledger verify --merchant acme", description: "One merchant's" },
    { command: "credit-cli ledger verify --json | jq -r .digest", description: "To keep elsewhere and compare" }
  ])
)

const soFar = ({ accounts, entries, userId }: Progress, faults: number): string =>
  [
    `${count(accounts, "account")}, ${count(entries, "entry", "entries")}`,
    ...(faults === 0 ? [] : [count(faults, "fault")]),
    ...(userId === undefined ? [] : [`up to ${userId}`])
  ].join(", ")

const judged = (verdict: Verdict, faults: ReadonlyArray<Fault>) => {
  const { accounts, digest, entries, receipts } = verdict
  const read = `${count(accounts, "account")}, ${count(entries, "entry", "entries")}, ${count(receipts, "receipt")}`
  return stack(
    verdict.verdict === "intact"
      ? done(`The ledger is intact: ${read}`)
      : text(`The ledger is faulty: ${count(verdict.faults, "fault")} in ${read}`),
    faults.length === 0 ? undefined : bullets(faults.map(named)),
    verdict.faults > faults.length ? text(`The first ${faults.length} are told`) : undefined,
    fields({ digest })
  )
}

const named = ({ problem, userId }: Fault): string => (userId === undefined ? problem : `account ${userId}: ${problem}`)
