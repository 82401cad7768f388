import { Credits } from "@credit/domain/Credits"
import { MerchantId, text } from "@credit/domain/Ids"
import { MerchantSettings, ReceiptPrefix, ServiceStatus, TaxRate, TaxRegime } from "@credit/domain/Merchant"
import { Meta } from "@credit/domain/Meta"
import { Timestamp } from "@credit/domain/Timestamp"
import * as RpcGroup from "effect/rpc/RpcGroup"
import * as Schema from "effect/Schema"
import { query, streamingProcedure } from "./define.ts"
import { IssuedToken } from "./Tokens.ts"

/** Something that stands in the way of onboarding: what it is, for programs, and in words with what to do. */
export const MerchantProblem = Schema.Struct({
  code: Schema.Literals([
    /** The id is not a lower-case letter, then 1–30 of `[a-z0-9-]`. */
    "id_form",
    /** Neither `MERCHANT_<ID>_DATABASE_URL` nor a template says where its database is. */
    "no_database_url",
    /** The URLs of the runtime and of the owner name different databases. */
    "urls_differ",
    "server_unreachable",
    /** There is no such database, and the owner may not create one. */
    "may_not_create_database",
    /** The database holds tables that no migration of ours made. */
    "database_occupied",
    "database_of_another_merchant",
    /** It was onboarded as a sandbox, or not as one, which never changes. */
    "kind_differs",
    "encoding_not_utf8",
    /** The owner may not create schemas in the database. */
    "may_not_migrate",
    /** What was applied to the database does not agree with this server's migrations. */
    "migrations_do_not_fit",
    /** The role `credit_runtime` is missing, and the owner may not make it. */
    "runtime_role_missing",
    /** The login of the runtime URL does not exist. */
    "runtime_login_missing",
    /** The login is no member of `credit_runtime`, and the owner may not make it one. */
    "may_not_grant_runtime_role",
    /** A tax regime without its rate, or a rate without its regime. */
    "tax",
    /** The app token would live longer than the service accepts. */
    "token_lifetime"
  ]),
  message: Schema.String
})

/** Nothing was changed. Everything that is wrong, at once; the same key may be sent again when it is mended. */
export class MerchantInvalid extends Schema.TaggedError<MerchantInvalid>()("MerchantInvalid", {
  problems: Schema.Array(MerchantProblem),
  meta: Schema.optionalKey(Meta)
}) {
  override get message(): string {
    return `The merchant cannot be onboarded: ${this.problems.map(({ message }) => message).join("; ")}`
  }
}

/** In this order. */
export const OnboardingStep = Schema.Literals([
  /** Everything that can be known beforehand: see {@link MerchantInvalid}. */
  "validate",
  /** The database is created on its server. */
  "database",
  "migrate",
  /** The runtime's login may connect and serve. */
  "access",
  /** The database becomes the merchant's, with its first settings. */
  "settings",
  /** The default products and operation types, into a catalog that has none. */
  "catalog",
  /** The jobs are given to whoever runs them. */
  "jobs",
  /** Its metrics are to be seen, and a test event was sent. */
  "monitoring",
  /** A token for its application. */
  "token",
  /** The service opens the database as it will for calls, and looks at it. */
  "check"
])
export type OnboardingStep = typeof OnboardingStep.Type

/** What became of a step. */
export const OnboardingStepOutcome = Schema.Struct({
  step: OnboardingStep,
  /**
   * - `done`: by this try
   * - `already_done`: it was, and was left as it is
   * - `not_yet`: this service cannot do it; `detail` says what is left to do
   * - `skipped`: it was not asked for, or does not apply
   * - `would_do`: a dry run found it missing
   */
  outcome: Schema.Literals(["done", "already_done", "not_yet", "skipped", "would_do"]),
  detail: Schema.String
})

/** A step failed. Those before it stay done; the same key sent again goes on from there. */
export class OnboardingFailed extends Schema.TaggedError<OnboardingFailed>()("OnboardingFailed", {
  step: OnboardingStep,
  problem: Schema.String,
  meta: Schema.optionalKey(Meta)
}) {
  override get message(): string {
    return `Onboarding stopped at ${this.step}: ${this.problem}`
  }
}

/** One look at how a merchant is set up. */
export const MerchantCheck = Schema.Struct({
  check: Schema.Literals([
    /** The database has every migration that this server needs. */
    "migrations",
    /** The login that serves owns nothing, so that no guard of the database can be taken off by it. */
    "roles_separated",
    /** The ledger has months for at least two months to come. */
    "partitions",
    /** The database's clock is within 5 seconds of this server's. */
    "clock",
    /** The server loses no acknowledged write in a crash. */
    "durability",
    /** Whether the database has pg_cron; without it the service runs the jobs, so that either is well. */
    "pg_cron"
  ]),
  ok: Schema.Boolean,
  detail: Schema.String
})

export class Merchants extends RpcGroup.make(
  /**
   * Makes a merchant: its database on its server, migrated; the right of the runtime's login to serve it; its first settings,
   * default products and operation types; jobs; monitoring; an app token. Needs no restart where
   * `MERCHANT_DATABASE_URL_TEMPLATE` says where its database goes, or its URLs are configured; another server that had just
   * looked for it in vain finds it within a second.
   *
   * Role `operator`; `X-Merchant-Id` may be there and then names the same merchant. A stream of the steps; the last element
   * has what became of each, what was found in the end, and the token.
   *
   * Resumable: each step is done or is not. After a crash, a failure or a lost connection the same key goes on with what is
   * missing; once it has succeeded it replays the answer, with the same token. Another key for a merchant that is there
   * finishes what is missing, changes nothing that is there (`settings` and `catalog` are for a new one), and issues a token
   * of its own. Key and audit are kept in the merchant's database, as soon as there is one. A dry run says what is missing.
   *
   * Fails with `MerchantInvalid` (nothing was changed), `OnboardingFailed`, `RequestInProgress` (another try of the same key
   * is at it, or its lease still runs after a crash).
   */
  streamingProcedure("Merchant.Onboard", {
    payload: Schema.Struct({
      /** Its form is checked with everything else. */
      merchantId: Schema.String.check(Schema.isMaxLength(200)),
      /** Whether its clock may be moved; for ever. Default: no. */
      sandbox: Schema.optionalKey(Schema.Boolean),
      settings: Schema.optionalKey(
        Schema.Struct({
          legalName: Schema.optionalKey(text(500)),
          legalAddress: Schema.optionalKey(text(2000)),
          taxId: Schema.optionalKey(text(200)),
          taxRegime: Schema.optionalKey(TaxRegime),
          taxRate: Schema.optionalKey(TaxRate),
          receiptPrefix: Schema.optionalKey(ReceiptPrefix)
        })
      ),
      /** What an empty catalog gets. Default: `samples`. */
      catalog: Schema.optionalKey(Schema.Literals(["samples", "none"])),
      /** Default: 90 days. */
      tokenLifetimeSeconds: Schema.optionalKey(
        Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 3_153_600_000 }))
      )
    }),
    progress: [
      Schema.TaggedStruct("StepStarted", { step: OnboardingStep, position: Schema.Int, total: Schema.Int }),
      Schema.TaggedStruct("Migrated", {
        id: Schema.Int,
        name: Schema.String,
        position: Schema.Int,
        total: Schema.Int,
        durationMillis: Schema.Int
      }),
      Schema.TaggedStruct("StepDone", OnboardingStepOutcome.fields)
    ],
    result: {
      merchantId: MerchantId,
      steps: Schema.Array(OnboardingStepOutcome),
      checks: Schema.Array(MerchantCheck),
      /** Absent in a dry run, and where an identity provider issues the tokens. */
      token: Schema.optionalKey(Schema.Struct(IssuedToken))
    },
    errors: [MerchantInvalid, OnboardingFailed]
  }),
  /**
   * How a merchant stands: settings, catalog, migrations, jobs, what is open, totals, and checks of its setup.
   *
   * Role `admin`. Totals are as booked: what is due of an account that nobody has touched since is still in them.
   * Its cost does not grow with the ledger: counts and totals are exact up to 10,000 operations or accounts;
   * beyond that operations are told as `more`, and accounts and credits estimated from a sample of some 10,000 (`exact` says
   * which).
   */
  query("Merchant.Status", {
    role: "admin",
    payload: Schema.Struct({}),
    success: Schema.Struct({
      merchantId: MerchantId,
      asOf: Timestamp,
      service: ServiceStatus,
      settings: MerchantSettings,
      /** How far a sandbox's clock stands ahead. */
      clockOffsetHours: Schema.Int,
      catalog: Schema.Struct({
        /** Not archived. */
        sellableProducts: Schema.Int,
        grantProducts: Schema.Int,
        archivedProducts: Schema.Int,
        /** With a rate in force. */
        operationTypes: Schema.Int
      }),
      migrations: Schema.Struct({
        version: Schema.Int,
        /** The newest that this server has. */
        needed: Schema.Int,
        appliedAt: Timestamp
      }),
      /** Each job with its newest run. Empty: the database has no jobs. */
      jobs: Schema.Array(
        Schema.Struct({
          job: Schema.String,
          lastStartedAt: Schema.optionalKey(Timestamp),
          lastState: Schema.optionalKey(Schema.String),
          lastSucceededAt: Schema.optionalKey(Timestamp),
          lastError: Schema.optionalKey(Schema.String)
        })
      ),
      operations: Schema.Struct({
        open: Schema.Int,
        /** Whether there are more open than were counted. */
        more: Schema.Boolean
      }),
      totals: Schema.Struct({
        exact: Schema.Boolean,
        accounts: Schema.Int,
        /** 2^53 − 1 stands for that and all beyond. */
        balance: Credits,
        debt: Credits,
        held: Credits
      }),
      checks: Schema.Array(MerchantCheck)
    }),
    errors: []
  })
) {}
