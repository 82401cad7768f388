import { text as textOf, UserId } from "@credit/domain/Ids"
import { Role } from "@credit/rpc/Access"
import { TokenId } from "@credit/rpc/Tokens"
import * as Argument from "effect/cli/Argument"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as Effect from "effect/Effect"
import { maybe, present, textFlag } from "../flags/Checked.ts"
import { fixedInstantFlag, spanFlag } from "../flags/Common.ts"
import { confirm, destructiveFlags, firstTry, writeFlags } from "../flags/Write.ts"
import { type Block, fields, stack, text } from "../output/Block.ts"
import { Output } from "../output/Output.ts"
import { table } from "../output/Table.ts"
import { instant } from "../output/Words.ts"
import { FaultFound, UsageProblem } from "../Problem.ts"
import { Service } from "../Service.ts"
import { tellWritten } from "./shared.ts"

/** A token that was issued, as it is told. */
interface Issued {
  readonly token: string
  readonly jti: string
  readonly role: string
  readonly subject: string
  readonly userId?: string | undefined
  readonly expiresAt: string
}

export const issuedFields = ({ expiresAt, jti, role, subject, token, userId }: Issued): Block =>
  stack(
    fields({ role, for: subject, user: userId, expires: instant(expiresAt), jti }),
    token === "" ? undefined : text(token)
  )

const issue = Command.make(
  "issue",
  {
    role: Flag.Literals("role", Role.literals).pipe(Flag.withMetavar("role"), Flag.withDescription("What it may do")),
    subject: maybe(
      textFlag("subject", textOf(200)).pipe(
        Flag.withMetavar("name"),
        Flag.withDescription("An operator's name, as the audit log keeps it")
      )
    ),
    user: maybe(
      textFlag("user", UserId).pipe(Flag.withMetavar("id"), Flag.withDescription("The one user of a user's token"))
    ),
    lifetime: maybe(spanFlag("lifetime", "How long it is valid: 12h, 90d (default: by its role)")),
    bare: Flag.Boolean("bare").pipe(
      Flag.withoutNegation,
      Flag.withDefault(false),
      Flag.withDescription("Print the token alone, to go into a file")
    ),
    ...writeFlags
  },
  Effect.fn("cli.token.issue")(function* ({ bare, lifetime, role, subject, user, ...write }) {
    const service = yield* Service
    const output = yield* Output
    const { merchant } = yield* service.connection
    const written = yield* service.command(write, (client, options) =>
      client.token.issue(
        {
          role,
          ...present({
            merchantId: role === "operator" ? undefined : merchant?.value,
            subject,
            userId: user,
            lifetimeSeconds: lifetime === undefined ? undefined : lifetime / 1000
          })
        },
        options
      )
    )
    if (bare && !output.json) {
      yield* output.answer({ json: written.answer, text: text(written.answer.token) })
      return yield* output.note(output.paint.dim(`idempotency key ${written.idempotencyKey}`))
    }
    yield* tellWritten(
      written,
      `A token for ${written.answer.role} ${written.answer.subject}; it is kept nowhere`,
      issuedFields(written.answer)
    )
  })
).pipe(
  Command.withDescription("Sign a token. It is shown once and kept nowhere; the same key signs the same one again"),
  Command.withShortDescription("Sign a token"),
  Command.withExamples([
    {
      command: "credit-cli token issue --merchant acme --role app --lifetime 90d",
      description: "For a merchant's backend"
    },
    { command: "credit-cli token issue --role operator --subject olga", description: "For a colleague, by name" },
    {
      command: "credit-cli token issue --merchant acme --role admin --bare > acme.token",
      description: "Into a file; then chmod 600 it"
    }
  ])
)

const revoke = Command.make(
  "revoke",
  {
    jti: Argument.String("jti").pipe(
      Argument.withSchema(TokenId),
      Argument.withDescription("The token's id, as it was issued; or give --issued-before"),
      Argument.optional
    ),
    issuedBefore: maybe(fixedInstantFlag("issued-before", "Every token that was issued before then")),
    now: Flag.Boolean("issued-until-now").pipe(
      Flag.withoutNegation,
      Flag.withDefault(false),
      Flag.withDescription("Every token that was issued until now")
    ),
    role: maybe(
      Flag.Literals("role", Role.literals).pipe(
        Flag.withMetavar("role"),
        Flag.withDescription("Of these only those of one role")
      )
    ),
    allMerchants: Flag.Boolean("all-merchants").pipe(
      Flag.withoutNegation,
      Flag.withDefault(false),
      Flag.withDescription("At every merchant, in place of the one of --merchant; an operator's token wants it")
    ),
    note: maybe(
      textFlag("note", textOf(2000)).pipe(Flag.withMetavar("text"), Flag.withDescription("Why, for the record"))
    ),
    ...destructiveFlags
  },
  Effect.fn("cli.token.revoke")(function* ({ allMerchants, issuedBefore, jti, note, now, role, yes, ...write }) {
    const service = yield* Service
    const { merchant } = yield* service.connection
    const one = jti._tag === "Some" ? jti.value : undefined
    const ways = [one !== undefined, issuedBefore !== undefined, now].filter((given) => given).length
    if (ways !== 1) {
      return yield* new UsageProblem({ message: "Give one of a jti, --issued-before and --issued-until-now" })
    }
    const where = present({ merchantId: allMerchants ? undefined : merchant?.value, note })
    yield* confirm(
      { ...write, yes },
      `Revoke ${one ?? "every such token"} ${where.merchantId === undefined ? "at every merchant" : `at ${where.merchantId}`}? For ever`
    )
    const sent = now ? yield* firstTry(write, { "issued-before": undefined }) : { ...write, now: issuedBefore ?? "" }
    const written = yield* service.command({ ...write, idempotencyKey: sent.idempotencyKey }, (client, options) =>
      client.token.revoke(
        one === undefined ? { issuedBefore: sent.now, ...present({ role }), ...where } : { jti: one, ...where },
        options
      )
    )
    const failed = written.answer.merchants.filter(({ outcome }) => outcome === "failed")
    yield* tellWritten(
      written,
      "Revoked: every server refuses it within 60 seconds",
      table(
        [
          { title: "merchant", value: ({ merchantId }) => merchantId },
          { title: "outcome", value: ({ outcome }) => outcome },
          { title: "problem", value: ({ problem }) => problem, shrink: true }
        ],
        written.answer.merchants,
        "No merchants"
      )
    )
    const [wrong] = failed
    if (wrong !== undefined) {
      return yield* new FaultFound({
        message: `Not revoked at ${wrong.merchantId}: ${wrong.problem ?? "its database could not be written"}`,
        hint: `the same command with --idempotency-key ${written.idempotencyKey} does what is missing`
      })
    }
  })
).pipe(
  Command.withDescription(
    "Make tokens count no more: one by its id, or all that were issued before an instant. For ever"
  ),
  Command.withShortDescription("Make tokens count no more"),
  Command.withExamples([
    {
      command: 'credit-cli token revoke 019ab4c2-7d1e-7a30-8f00-5d2c9e6b1a44 --note "laptop lost"',
      description: "One token"
    },
    {
      command: "credit-cli token revoke --issued-until-now --role app --merchant acme --yes",
      description: "Every app token of a merchant, after a leak"
    }
  ])
)

export const token = Command.make("token").pipe(
  Command.withDescription("Who may get in"),
  Command.withSubcommands([issue, revoke])
)
