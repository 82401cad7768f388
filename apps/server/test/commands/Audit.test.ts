import { randomUUID } from "node:crypto"
import { type CommandType, commandPayloads } from "@credit/domain/Command"
import { RequiredRole, RoleForPayload } from "@credit/rpc/Access"
import { Api } from "@credit/rpc/Api"
import * as Context from "effect/Context"
import { afterAll, afterEach, beforeAll, describe, expect, inject, it } from "vitest"
import { purchaseOf } from "../../../../test/utils/samples.ts"
import { type Answer, at, type Fixture, makeFixture } from "./Fixture.ts"

type Payload<T extends CommandType> = (typeof commandPayloads)[T]["Encoded"]

/**
 * A payload of a command that succeeds, and one that the rules refuse, where they can. Each is prepared for, so that it can
 * be decided.
 */
interface Sample<T extends CommandType> {
  readonly succeeds: (fixture: Fixture) => Promise<Payload<T>>
  readonly refused?: (fixture: Fixture) => Promise<{ readonly payload: Payload<T>; readonly by: string }>
}

const by = { adminActor: "olga" }
const admin = { role: "admin" } as const
const always =
  <A>(value: A) =>
  () =>
    Promise.resolve(value)

const RICHEST = 2 ** 53 - 1

/** A user with all the credits there can be. */
const rich = async (fixture: Fixture) => {
  const userId = `rich-${randomUUID()}`
  const credit = { userId, creditAmount: RICHEST, accessPeriodDays: 1, justification: "rich", ...by }
  await fixture.run("CreditAdjustment.Apply", credit, admin)
  return userId
}

const settled = async (fixture: Fixture) => {
  const externalRef = `pay-${randomUUID()}`
  await fixture.run("Purchase.Settled", purchaseOf(`buyer-${externalRef}`, externalRef, "starter"))
  return externalRef
}

const disputed = async (fixture: Fixture) => {
  const externalRef = await settled(fixture)
  await fixture.run("Chargeback.Apply", { externalRef, ...by }, admin)
  return externalRef
}

const productOf = (productCode: string) =>
  ({
    productCode,
    title: "A product",
    credits: 10,
    accessPeriodDays: 30,
    distribution: "sellable",
    priceRows: [{ country: "*", currency: "USD", amount: "1.5" }]
  }) as const

/** Every command that only staff may send, or that they may send with other payloads than the rest. */
const samples: { readonly [T in CommandType]?: Sample<T> } = {
  "Grant.Apply": {
    succeeds: always({
      userId: "ann",
      grant: { type: "manual", credits: 5, accessPeriodDays: 5, justification: "goodwill" }
    }),
    refused: always({
      payload: { userId: "ann", grant: { type: "promo", productCode: "no-such" } },
      by: "GrantUnavailable"
    })
  },
  "CreditAdjustment.Apply": {
    succeeds: always({ userId: "ann", creditAmount: 5, accessPeriodDays: 5, justification: "put right", ...by }),
    refused: async (fixture) => ({
      payload: { userId: await rich(fixture), creditAmount: 1, accessPeriodDays: 5, justification: "more", ...by },
      by: "InvalidRequest"
    })
  },
  "DebitAdjustment.Apply": {
    succeeds: always({ userId: "ann", debitAmount: 5, justification: "put right", ...by }),
    refused: async (fixture) => {
      const userId = `poor-${randomUUID()}`
      const debit = { userId, debitAmount: RICHEST, justification: "all", ...by }
      await fixture.run("DebitAdjustment.Apply", debit, admin)
      return { payload: { ...debit, debitAmount: 1 }, by: "InvalidRequest" }
    }
  },
  "Refund.Apply": {
    succeeds: async (fixture) => ({ externalRef: await settled(fixture), justification: "returned", ...by }),
    refused: always({
      payload: { externalRef: "no-such", justification: "returned", ...by },
      by: "PurchaseNotFound"
    })
  },
  "Chargeback.Apply": {
    succeeds: async (fixture) => ({ externalRef: await settled(fixture), category: "fraudulent", ...by }),
    refused: async (fixture) => ({
      payload: { externalRef: await disputed(fixture), ...by },
      by: "PurchaseAlreadyReversed"
    })
  },
  "Chargeback.Resolve": {
    succeeds: async (fixture) => ({ externalRef: await disputed(fixture), outcome: "won", ...by }),
    refused: async (fixture) => ({
      payload: { externalRef: await settled(fixture), outcome: "won", ...by },
      by: "ChargebackNotOpen"
    })
  },
  "Product.Create": {
    succeeds: async () => productOf(`sold-${randomUUID()}`),
    refused: always({ payload: productOf("starter"), by: "ProductAlreadyExists" })
  },
  "Product.Archive": {
    succeeds: async (fixture) => {
      const productCode = `ended-${randomUUID()}`
      await fixture.run("Product.Create", productOf(productCode), admin)
      return { productCode }
    },
    refused: always({ payload: { productCode: "no-such" }, by: "ProductNotFound" })
  },
  "OperationType.Create": {
    succeeds: async () => ({ operationTypeCode: `work-${randomUUID()}`, resourceUnit: "HOURS", creditsPerUnit: "0.5" }),
    refused: always({
      payload: { operationTypeCode: "api_call", resourceUnit: "OTHERS", creditsPerUnit: "2" },
      by: "InvalidRequest"
    })
  },
  "Merchant.Configure": {
    succeeds: always({ legalName: "Demo LLC", taxId: null }),
    refused: always({ payload: { operationTimeoutMaxMinutes: 1 }, by: "InvalidRequest" })
  },
  "Maintenance.Enter": {
    succeeds: always({ reason: "a new disk" }),
    refused: always({ payload: { reason: "a new disk", until: "2020-01-01T00:00:00.000Z" }, by: "InvalidRequest" })
  },
  "Maintenance.Exit": { succeeds: always({}) },
  "Sandbox.AdvanceClock": {
    succeeds: always({ hours: 1 }),
    refused: async (fixture) => {
      await fixture.run("Sandbox.AdvanceClock", { hours: 876_000 }, admin)
      return { payload: { hours: 876_000 }, by: "InvalidRequest" }
    }
  }
}

/** Commands that need a role of staff, or may need one for some payloads. */
const ofStaff = [...Api.requests.values()]
  .filter(({ _tag, annotations }) => {
    const role = Context.getOrUndefined(annotations, RequiredRole)
    return _tag in commandPayloads && (role !== "app" || annotations.mapUnsafe.has(RoleForPayload.key))
  })
  .map(({ _tag }) => _tag)

const isCommand = (type: string): type is CommandType => type in commandPayloads

const tagOf = (answer: Answer) => at(answer.error, "_tag") ?? "succeeded"

describe("The audit log", () => {
  let fixture: Fixture
  let merchantId: unknown
  beforeAll(async () => {
    fixture = await makeFixture(inject("adminUrl"), { sandbox: true })
    merchantId = (await fixture.owner.query("SELECT merchant_id FROM merchant_settings"))[0]?.merchant_id
  })
  afterAll(() => fixture.close())
  afterEach(() => fixture.owner.query("UPDATE service_status SET status = 'ready', reason = NULL, until = NULL"))

  const logOf = (key: string) =>
    fixture.owner.query(
      `SELECT jti, actor, role, command, transaction_id::text AS transaction, outcome, detail FROM audit_log
       WHERE idempotency_key = $1`,
      [key]
    )

  /** Sends a command dry, twice at once and once more: it is decided once. */
  const decideOnce = async (type: CommandType, payload: Payload<CommandType>, role: "admin" | "operator") => {
    const key = randomUUID()
    const dry = await fixture.run(type, payload, { role, key, dryRun: true })
    expect(await logOf(key)).toEqual([])
    const send = () => fixture.run(type, payload, { role, key })
    const answers = [...(await Promise.all([send(), send()])), await send()]
    expect(answers.map(tagOf)).toEqual(Array(3).fill(tagOf(dry)))
    return { answer: answers[0] ?? dry, rows: await logOf(key) }
  }

  it("is tested for every command of admins and operators", () => {
    expect(Object.keys(samples).toSorted()).toEqual(ofStaff.toSorted())
  })

  const tell = (type: CommandType, sample: Sample<CommandType>, role: "admin" | "operator") => {
    const who = () => ({ jti: "test-token", actor: role === "operator" ? "olga" : merchantId, role, command: type })

    it(`keeps each ${type} by an ${role} once: who, what and that it was done`, async () => {
      const payload = await sample.succeeds(fixture)
      const { answer, rows } = await decideOnce(type, payload, role)
      const transaction = at(answer.value, "meta", "transactionId")
      expect(rows).toEqual([{ ...who(), transaction, outcome: "succeeded", detail: { payload } }])
    })

    const { refused } = sample
    if (refused === undefined) return
    it(`keeps each ${type} by an ${role} once that was refused, and why`, async () => {
      const { by: tag, payload } = await refused(fixture)
      const { answer, rows } = await decideOnce(type, payload, role)
      const { meta, ...refusal } = { meta: {}, ...answer.error }
      const transaction = at(meta, "transactionId")
      expect(rows).toEqual([{ ...who(), transaction, outcome: tag, detail: { payload, refusal } }])
    })
  }
  for (const [type, sample] of Object.entries(samples)) {
    for (const role of ["admin", "operator"] as const) if (isCommand(type)) tell(type, sample, role)
  }

  it("keeps what staff do of what apps may do as well, and nothing of what apps do", async () => {
    const open = { userId: "ann", operationTypeCode: "no-such" }
    for (const [role, rows] of [
      ["app", 0],
      ["admin", 1],
      ["operator", 1]
    ] as const) {
      const key = randomUUID()
      await fixture.run("Operation.Open", open, { role, key })
      expect(await logOf(key), role).toHaveLength(rows)
    }
  })

  it("keeps nothing of what was not decided: another payload under the same key, and maintenance", async () => {
    const key = randomUUID()
    const adjust = (creditAmount: number) =>
      fixture.run(
        "CreditAdjustment.Apply",
        { userId: "ann", creditAmount, accessPeriodDays: 5, justification: "x", ...by },
        { role: "admin", key }
      )
    await fixture.owner.query("UPDATE service_status SET status = 'maintenance', reason = 'test'")
    expect(tagOf(await adjust(1))).toBe("MaintenanceMode")
    expect(await logOf(key)).toEqual([])
    await fixture.owner.query("UPDATE service_status SET status = 'ready', reason = NULL")
    await adjust(1)
    expect(tagOf(await adjust(2))).toBe("IntentConflict")
    expect(await logOf(key)).toMatchObject([{ outcome: "succeeded", detail: { payload: { creditAmount: 1 } } }])
  })
})
