import { strict as assert } from "node:assert"
import { type AccountState, emptyAccount } from "@credit/domain/Account"
import { MAX_CREDITS } from "@credit/domain/Credits"
import { presentBalance } from "@credit/domain/decide/Balance"
import { type Command, decideBatch, type Facts } from "@credit/domain/decide/Batch"
import type { GroundChange } from "@credit/domain/decide/Ground"
import { type KeyState, keyId } from "@credit/domain/decide/Idempotency"
import type { PurchaseState, State } from "@credit/domain/decide/State"
import { entryHash } from "@credit/domain/EntryHash"
import type { EntryState } from "@credit/domain/LedgerEntry"
import type { LotState } from "@credit/domain/Lot"
import type { MaintenanceState, SettingsState } from "@credit/domain/Merchant"
import type { OperationState } from "@credit/domain/Operation"
import type { OperationTypeState, OperationTypeVersion } from "@credit/domain/OperationType"
import { catalogStatus, type ProductState } from "@credit/domain/Product"
import { clawedBack, type ReversalState } from "@credit/domain/Reversal"
import { HOUR } from "@credit/domain/Timestamp"
import { Answer } from "./Answers.ts"
import { operationTypes, products, settings, welcomeProduct } from "./Catalog.ts"

export const START = Date.parse("2026-01-01T00:00:00Z")

type AccountRow = Omit<AccountState, "lots" | "operations">

/**
 * A merchant's database in memory, with the clock in the test's hand: it loads a state for the rules, and stores the
 * facts they make as the real one does: only entries move balances and lots, and what breaks a guard throws.
 */
export class Ledger {
  now = START
  settings: SettingsState = settings
  maintenance: MaintenanceState | null = null
  products: ReadonlyMap<string, ProductState> = products
  welcomeProduct: ProductState | null = welcomeProduct
  clockOffsetHours = 0
  readonly operationTypes = new Map<string, OperationTypeState>(operationTypes)
  /** Versions of rates, by code, in order; those of the samples are not among them. */
  readonly versions = new Map<string, ReadonlyArray<OperationTypeVersion>>()
  readonly accounts = new Map<string, AccountRow>()
  readonly lots = new Map<string, LotState>()
  readonly operations = new Map<string, OperationState>()
  readonly entries: Array<EntryState> = []
  readonly purchases = new Map<string, PurchaseState>()
  readonly reversals = new Map<string, ReadonlyArray<ReversalState>>()
  readonly keys = new Map<string, KeyState>()
  readonly welcomed = new Map<string, string>()
  readonly audited: Array<Facts["audited"][number]> = []
  receiptCounter = { year: 0, lastNumber: 0 }
  readonly #closings = new Map<string, ReadonlyArray<EntryState>>()
  readonly #filled = new Set<string>()
  #ids = 0

  constructor(changes: Partial<SettingsState> = {}) {
    this.settings = { ...settings, ...changes }
  }

  /** Ids in the order in which they are made, the same in every run. */
  readonly newId = (): string => {
    this.#ids += 1
    return `00000000-0000-7000-8000-${this.#ids.toString(16).padStart(12, "0")}`
  }

  /** Moves the clock; a negative step sets it back. */
  advance(milliseconds: number): void {
    this.now += milliseconds
  }

  /** A rate in force from now on. */
  setRate(operationTypeCode: string, creditsPerUnit: string): void {
    const resourceUnit = this.operationTypes.get(operationTypeCode)?.resourceUnit ?? "UNITS"
    this.operationTypes.set(operationTypeCode, { operationTypeCode, resourceUnit, creditsPerUnit })
  }

  /** The user's account with its active lots and open operations, as the load step reads it. */
  account(userId: string): AccountState {
    return {
      ...(this.accounts.get(userId) ?? emptyAccount(userId)),
      lots: [...this.lots.values()].filter((lot) => lot.userId === userId && lot.remaining > 0),
      operations: [...this.operations.values()].filter((it) => it.userId === userId && it.status === "open")
    }
  }

  load(): State {
    return {
      now: this.now,
      settings: this.settings,
      maintenance: this.maintenance,
      keys: new Map(this.keys),
      accounts: new Map([...this.accounts.keys()].map((userId) => [userId, this.account(userId)])),
      operations: new Map(this.operations),
      closings: new Map(this.#closings),
      purchases: new Map(this.purchases),
      reversals: new Map(this.reversals),
      expired: new Map([...this.lots.keys()].map((lotId) => [lotId, this.expiredOf(lotId)])),
      products: this.products,
      welcomeProduct: this.welcomeProduct,
      signupProducts: [...this.products.values()].filter(
        (it) => it.grantPolicy === "apply_on_signup" && catalogStatus(it, this.now) !== "archived"
      ),
      newestOperationTypes: new Map(
        [...this.versions].flatMap(([code, versions]) => {
          const newest = versions.at(-1)
          return newest === undefined ? [] : [[code, newest]]
        })
      ),
      operationTypes: new Map([...this.operationTypes, ...this.#running()]),
      welcomed: new Set(this.welcomed.keys()),
      receiptCounter: this.receiptCounter,
      clockOffsetHours: this.clockOffsetHours
    }
  }

  /** Runs a batch: load, decide, write. */
  run(commands: ReadonlyArray<Command>): { readonly answers: ReadonlyArray<Answer>; readonly facts: Facts } {
    const { facts, results } = decideBatch(this.load(), commands, this.newId)
    this.#write(facts)
    return { answers: results.map((result) => new Answer(result)), facts }
  }

  /** Runs one command alone. */
  send(command: Command): Answer {
    const [answer] = this.run([command]).answers
    assert(answer !== undefined, "every command has an answer")
    return answer
  }

  balance(userId: string) {
    return presentBalance(this.account(userId), this.settings.consumptionOrder, this.now)
  }

  /** What expired of a lot, as far as it is booked. */
  expiredOf(lotId: string): number {
    return this.entries.reduce(
      (sum, entry) => (entry.lotId === lotId && entry.reason === "expiry" ? sum - entry.amount : sum),
      0
    )
  }

  entriesFor(userId: string): ReadonlyArray<EntryState> {
    return this.entries.filter((entry) => entry.userId === userId)
  }

  /** Everything stored, to be compared. */
  snapshot() {
    const {
      accounts,
      audited,
      clockOffsetHours,
      entries,
      keys,
      lots,
      operations,
      purchases,
      receiptCounter,
      reversals,
      welcomed
    } = this
    return structuredClone({
      accounts,
      audited: audited.map(({ command, outcome }) => [keyId(command.intent.type, command.key), outcome]),
      clockOffsetHours,
      entries,
      keys,
      lots,
      operations,
      purchases,
      receiptCounter,
      reversals,
      welcomed
    })
  }

  #write(facts: Facts): void {
    for (const { command, ...record } of facts.keys) {
      const id = keyId(command.intent.type, command.key)
      const found = this.keys.get(id)
      const final = found?.state === "SUCCEEDED" || found?.state === "FAILED_FINAL"
      assert(!final || found.expiresAt <= this.now, "a final record never changes while it lasts")
      this.keys.set(id, record)
    }
    for (const lot of facts.lots) {
      assert(!this.lots.has(lot.lotId) && lot.expiresAt > lot.issuedAt)
      this.lots.set(lot.lotId, { ...lot, remaining: 0 })
    }
    for (const entry of facts.entries) this.#append(entry)
    for (const operation of facts.opened) {
      assert(!this.operations.has(operation.operationId), "an operation opens once")
      this.#putOperation(operation)
    }
    for (const operation of facts.changed) this.#changeOperation(operation)
    for (const purchase of facts.purchases) this.#addPurchase(purchase)
    for (const reversal of facts.resolved) this.#resolve(reversal)
    for (const reversal of facts.reversals) this.#addReversal(reversal)
    for (const { lotId, userId } of facts.welcomed) {
      assert(!this.welcomed.has(userId), "one welcome grant per user, for ever")
      this.welcomed.set(userId, lotId)
    }
    this.audited.push(...facts.audited)
    for (const change of facts.ground) this.#change(change)
    for (const account of this.accounts.values()) this.#check(account)
  }

  #running(): ReadonlyArray<readonly [string, OperationTypeState]> {
    return [...this.versions].flatMap(([code, versions]) => {
      const running = versions.filter((it) => catalogStatus(it, this.now) === "active")
      assert(running.length <= 1, "one version of a rate runs at a time")
      return running.map((it) => [code, it] as const)
    })
  }

  #change(change: GroundChange): void {
    switch (change._tag) {
      case "ProductCreated": {
        assert(!this.products.has(change.product.productCode), "a product is created once")
        this.products = new Map(this.products).set(change.product.productCode, change.product)
        break
      }
      case "ProductArchived": {
        const before = this.products.get(change.product.productCode)
        assert(before !== undefined && (before.archivedAt === null || before.archivedAt > this.now))
        this.products = new Map(this.products).set(change.product.productCode, change.product)
        break
      }
      case "OperationTypeCreated": {
        const { replaced, version } = change
        const before = this.versions.get(version.operationTypeCode) ?? []
        const kept = before.map((it) => (it.operationTypeId === replaced?.operationTypeId ? replaced : it))
        assert((kept.at(-1)?.archivedAt ?? 0) <= version.effectiveAt, "versions do not overlap")
        this.versions.set(version.operationTypeCode, [...kept, version])
        break
      }
      case "SettingsChanged":
        this.settings = change.settings
        break
      case "ClockAdvanced":
        this.now += (change.clockOffsetHours - this.clockOffsetHours) * HOUR
        this.clockOffsetHours = change.clockOffsetHours
        break
      case "StatusChanged":
        this.maintenance = change.maintenance
    }
  }

  /** What the chain trigger does. */
  #append(entry: EntryState): void {
    const account = this.accounts.get(entry.userId) ?? emptyAccount(entry.userId)
    assert.equal(entry.seq, account.seq + 1, "entries carry seq 1, 2, 3…")
    assert.equal(entry.balanceAfter, account.balance + entry.amount, "entries carry the balance after them")
    assert(entry.createdAt >= account.lastAt, "time never goes back within an account")
    assert(entry.effectiveAt <= entry.createdAt, "nothing is booked before it is true")
    assert(entry.amount !== 0 && Math.abs(entry.amount) <= MAX_CREDITS, "entries move credits, within the bounds")
    const hash = Buffer.from(entryHash(Buffer.from(account.hash, "hex"), entry)).toString("hex")
    assert.equal(entry.hash, hash, "entries chain by hash")
    this.entries.push(entry)
    if (entry.operationId !== null) {
      this.#closings.set(entry.operationId, [...(this.#closings.get(entry.operationId) ?? []), entry])
    }
    this.accounts.set(entry.userId, {
      userId: account.userId,
      held: account.held,
      balance: entry.balanceAfter,
      debt: account.debt - (entry.lotId === null ? entry.amount : 0),
      seq: entry.seq,
      lastAt: entry.createdAt,
      hash
    })
    if (entry.lotId === null) return
    const lot = this.lots.get(entry.lotId)
    assert(lot !== undefined && lot.userId === entry.userId, "an entry names a lot of its own user")
    if (entry.amount > 0) {
      assert.deepEqual(
        [entry.reason, entry.amount, entry.createdAt, this.#filled.has(lot.lotId)],
        [lot.source, lot.credits, lot.issuedAt, false],
        "a lot is filled once, with all its credits, when it is issued"
      )
      this.#filled.add(lot.lotId)
    }
    const remaining = lot.remaining + entry.amount
    assert(remaining >= 0 && remaining <= lot.credits, `a lot holds 0 to ${lot.credits}, not ${remaining}`)
    this.lots.set(lot.lotId, { ...lot, remaining })
  }

  #putOperation(operation: OperationState): void {
    const before = this.operations.get(operation.operationId)
    const heldBefore = before?.status === "open" ? before.held : 0
    const account = this.accounts.get(operation.userId) ?? emptyAccount(operation.userId)
    // Compared with the entries of the same batch too, which were written before: they are never later.
    assert(operation.updatedAt >= (before?.updatedAt ?? operation.openedAt), "time never goes back for an operation")
    this.operations.set(operation.operationId, operation)
    const { balance, debt, hash, seq, userId } = account
    const held = account.held - heldBefore + (operation.status === "open" ? operation.held : 0)
    const lastAt = Math.max(account.lastAt, operation.updatedAt)
    this.accounts.set(userId, { userId, balance, debt, hash, seq, held, lastAt })
  }

  #changeOperation(operation: OperationState): void {
    const before = this.operations.get(operation.operationId)
    assert(before !== undefined, "only what was opened changes")
    const { capturedRate, held, openedAt, resourceUnit, userId } = before
    assert.deepEqual(
      { capturedRate, held, openedAt, resourceUnit, userId },
      {
        capturedRate: operation.capturedRate,
        held: operation.held,
        openedAt: operation.openedAt,
        resourceUnit: operation.resourceUnit,
        userId: operation.userId
      },
      "what was captured at the opening never changes"
    )
    const late = before.status === "expired" && operation.status === "closed" && operation.late
    assert(before.status === "open" || late, `an operation that is ${before.status} stays so`)
    assert(operation.expiresAt >= before.expiresAt, "an expiry only moves later")
    this.#putOperation(operation)
  }

  #addPurchase(purchase: PurchaseState): void {
    assert(!this.purchases.has(purchase.externalRef), "one purchase per payment reference, for ever")
    const { number, year } = purchase.receipt
    const { lastNumber, year: current } = this.receiptCounter
    assert(year === current ? number === lastNumber + 1 : year > current && number === 1, "receipts have no gaps")
    this.receiptCounter = { year, lastNumber: number }
    this.purchases.set(purchase.externalRef, purchase)
  }

  /** The checks of the reversals table and its trigger. */
  #addReversal(reversal: ReversalState): void {
    const { credits, debtIncurred, expired, externalRef, firstSeq, kind, lastSeq, lotId, sequence, userId } = reversal
    const earlier = this.reversals.get(externalRef) ?? []
    const [won] = earlier
    assert.equal(sequence, earlier.length + 1, "reversals of a purchase carry 1, then 2")
    assert(sequence === 1 || (sequence === 2 && won?.resolution?.outcome === "won"), "one clawback stands")
    const purchase = this.purchases.get(externalRef)
    assert(purchase !== undefined && purchase.userId === userId)
    const given = won?.resolution?.reinstatement ?? { lotId: purchase.lot.lotId }
    const lot = this.lots.get(lotId)
    assert.deepEqual([lotId, lot?.credits, lot?.userId], [given.lotId, credits, userId], "it takes back what was given")
    assert.equal(expired, this.expiredOf(lotId), "what expired is not taken back")
    assert.equal(lot?.remaining, 0, "a clawback empties its lot first")
    const entries = this.entriesFor(userId).filter(({ seq }) => seq >= (firstSeq ?? 1) && seq <= (lastSeq ?? 0))
    const sum = (of: ReadonlyArray<EntryState>) => of.reduce((total, entry) => total - entry.amount, 0)
    assert(entries.every((entry) => entry.reason === kind && entry.createdAt === reversal.reversedAt))
    assert.equal(sum(entries), clawedBack(reversal), "its entries take what it says")
    assert.equal(sum(entries.filter((entry) => entry.lotId === null)), debtIncurred)
    this.reversals.set(externalRef, [...earlier, reversal])
    if (reversal.resolution !== null) this.#checkResolution(reversal)
  }

  #resolve(reversal: ReversalState): void {
    const { externalRef, sequence } = reversal
    const all = this.reversals.get(externalRef) ?? []
    const before = all.find((it) => it.sequence === sequence)
    assert(before !== undefined && before.resolution === null, "a dispute is resolved once")
    assert.deepEqual({ ...reversal, resolution: null }, before, "what was taken never changes")
    this.reversals.set(
      externalRef,
      all.map((it) => (it === before ? reversal : it))
    )
    this.#checkResolution(reversal)
  }

  #checkResolution(reversal: ReversalState): void {
    const { externalRef, kind, resolution, userId } = reversal
    assert(kind === "chargeback" && resolution !== null)
    const { outcome, reinstatement, resolvedAt } = resolution
    assert.equal(reinstatement !== null, outcome === "won" && clawedBack(reversal) > 0)
    if (reinstatement === null) return
    const lot = this.lots.get(reinstatement.lotId)
    assert.deepEqual(
      [lot?.source, lot?.userId, lot?.externalRef, lot?.credits, lot?.issuedAt, lot?.expiresAt],
      ["reinstatement", userId, externalRef, clawedBack(reversal), resolvedAt, reinstatement.expiresAt],
      "a won chargeback gives back exactly what was clawed back"
    )
  }

  /** The checks of the accounts table. */
  #check({ balance, debt, held, userId }: AccountRow): void {
    const open = [...this.operations.values()].filter((it) => it.userId === userId && it.status === "open")
    assert.equal(
      held,
      open.reduce((sum, it) => sum + it.held, 0),
      "held is what open operations hold"
    )
    assert(held >= 0 && debt >= 0 && Math.abs(balance) <= MAX_CREDITS && Math.abs(balance - held) <= MAX_CREDITS)
    assert(debt === 0 || balance === -debt, "credits and debt never coexist")
  }
}
