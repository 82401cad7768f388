import { MerchantId } from "@credit/domain/Ids"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as GlobalFlag from "effect/cli/GlobalFlag"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { adjustment } from "./commands/adjustment.ts"
import { audit } from "./commands/audit.ts"
import { catalog } from "./commands/catalog.ts"
import { doctor } from "./commands/doctor.ts"
import { explain } from "./commands/explain.ts"
import { grant } from "./commands/grant.ts"
import { health } from "./commands/health.ts"
import { job } from "./commands/job.ts"
import { ledger } from "./commands/ledger/ledger.ts"
import { maintenance } from "./commands/maintenance.ts"
import { merchant } from "./commands/merchant/merchant.ts"
import { migrate } from "./commands/migrate.ts"
import { operation } from "./commands/operation.ts"
import { product } from "./commands/product.ts"
import { purchase } from "./commands/purchase.ts"
import { rate } from "./commands/rate.ts"
import { receipt } from "./commands/receipt.ts"
import { chargeback, refund } from "./commands/reversals.ts"
import { sandbox } from "./commands/sandbox.ts"
import { token } from "./commands/token.ts"
import { user } from "./commands/user/user.ts"
import { completionsFlag } from "./completions.ts"
import { Environment } from "./Environment.ts"
import { maybe, textFlag, wholeFlag } from "./flags/Checked.ts"
import { Service } from "./Service.ts"

const Profile = GlobalFlag.Setting("profile")({
  flag: maybe(
    Flag.String("profile").pipe(
      Flag.withMetavar("name"),
      Flag.withDescription("A service from the configuration file; embedded is the one of npm start in this folder")
    )
  )
})

const Url = GlobalFlag.Setting("url")({
  flag: maybe(Flag.String("url").pipe(Flag.withMetavar("url"), Flag.withDescription("The service's address")))
})

const Token = GlobalFlag.Setting("token")({
  flag: maybe(
    Flag.String("token").pipe(
      Flag.withMetavar("jwt"),
      Flag.withDescription("A token; others on the machine can see it here, so rather --token-file")
    )
  )
})

const TokenFile = GlobalFlag.Setting("token-file")({
  flag: maybe(
    Flag.String("token-file").pipe(Flag.withMetavar("file"), Flag.withDescription("The file that holds the token"))
  )
})

const Merchant = GlobalFlag.Setting("merchant")({
  flag: maybe(
    textFlag("merchant", MerchantId).pipe(
      Flag.withAlias("m"),
      Flag.withMetavar("id"),
      Flag.withDescription("The merchant meant; an operator's token needs it")
    )
  )
})

const Wait = GlobalFlag.Setting("wait")({
  flag: wholeFlag("wait", 0, 3600).pipe(
    Flag.withMetavar("seconds"),
    Flag.withDefault(10),
    Flag.withDescription("How long to try again while the service cannot answer (default: 10; 0: not again)")
  )
})

const Json = GlobalFlag.Setting("json")({
  flag: Flag.Boolean("json").pipe(
    Flag.withoutNegation,
    Flag.withDefault(false),
    Flag.withDescription("Answer in JSON: one document, or a line for each item of what comes bit by bit")
  )
})

const settings = [Profile, Url, Token, TokenFile, Merchant, Wait, Json] as const

const Complete = completionsFlag(Object.fromEntries(settings.map(({ flag, id }) => [id, flag])))

const ServiceOfFlags = Layer.unwrap(
  Effect.gen(function* () {
    return Service.layer(
      {
        profile: yield* Profile,
        url: yield* Url,
        token: yield* Token,
        tokenFile: yield* TokenFile,
        merchant: yield* Merchant,
        waitSeconds: yield* Wait
      },
      yield* Environment
    )
  })
)

/** Every command of the command line. */
export const root = Command.make("credit-cli").pipe(
  Command.withDescription("The operator's hands: everything the credit service can be asked, from a terminal"),
  Command.withSubcommands([
    { group: "Users", commands: [user, grant, purchase, operation, receipt, adjustment, refund, chargeback, explain] },
    { group: "The catalog", commands: [product, rate, catalog] },
    {
      group: "The service",
      commands: [health, doctor, merchant, maintenance, migrate, token, ledger, job, audit, sandbox]
    }
  ]),
  Command.withExamples([
    { command: "credit-cli user balance ann", description: "Beside npm start nothing needs to be configured" },
    {
      command: "credit-cli --profile production --merchant acme user history ann",
      description: "A service from the configuration file"
    },
    {
      command: "credit-cli --completions bash >> ~/.bashrc",
      description: "Completion with Tab (zsh and fish likewise)"
    }
  ]),
  Command.provide(ServiceOfFlags),
  Command.withGlobalFlags([...settings, Complete])
)
