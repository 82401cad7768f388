import { asOf } from "@credit/domain/decide"
import {
  type CommandFacts,
  commandLines,
  type EntryFacts,
  entryLines,
  lotLines,
  operationCost,
  operationLines,
  touchedLots
} from "@credit/domain/explain"
import { type EntryState, presentEntry } from "@credit/domain/LedgerEntry"
import { type LotState, presentLot } from "@credit/domain/Lot"
import { type OperationState, presentOperation } from "@credit/domain/Operation"
import { timestampText } from "@credit/domain/Timestamp"
import { type Caller, RequiredRole, Role } from "@credit/rpc/Access"
import { Api } from "@credit/rpc/Api"
import { type Explanation, type Explanations, NothingToExplain } from "@credit/rpc/Explanations"
import type { RpcPayload } from "@credit/rpc/types"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type * as Schema from "effect/Schema"
import { decodeCursor, encodeCursor, PAGE_SIZE, page } from "../ledger/Cursor.ts"
import { LOOKED_THROUGH } from "../ledger/queries.ts"
import { readStanding, type Standing } from "../ledger/Standing.ts"
import type { MerchantDatabase } from "../merchants/MerchantDatabase.ts"
import { type Read, snapshot } from "../merchants/Snapshot.ts"
import { asItStands } from "../operations/queries.ts"
import { ENTRY, KEY, LOTS, OF_LOT, OPERATION, SEEN, TOGETHER } from "./rows.ts"

type Payload = RpcPayload<typeof Explanations, "Explain">
type Answer = typeof Explanation.Encoded

/** `caller.userId` is the one user the caller may ask about; what is another's does not exist for them. */
export const explain = (database: MerchantDatabase, payload: Payload, caller: Caller["Service"]) => {
  const mayKnow = (userId: string) => caller.userId === undefined || caller.userId === userId
  return snapshot(database, (read) => {
    if ("entryId" in payload) return explainEntry(read, payload.entryId, mayKnow)
    if ("operationId" in payload) return explainOperation(read, payload.operationId, mayKnow)
    if ("lotId" in payload) return explainLot(read, payload, mayKnow)
    return explainCommand(read, payload, caller.role)
  })
}

type MayKnow = (userId: string) => boolean

const explainEntry = Effect.fnUntraced(function* (read: Read, entryId: string, mayKnow: MayKnow) {
  const found = yield* read<Place | null>(ENTRY, [entryId])
  if (found === null || !mayKnow(found.userId)) return yield* new NothingToExplain({})
  const operation =
    found.operationId === null ? null : yield* read<OperationState | null>(OPERATION, [found.operationId])
  const standing = yield* readStanding(read, found.userId)
  const facts = yield* bookedTogether(read, found, standing)
  const answer: Answer = {
    about: "entry",
    lines: [...(operation === null ? [] : operationLines(operation, standing.now)), ...entryLines(facts)],
    ...presentCharge(operation, facts.entries),
    ...presentFacts(facts, standing)
  }
  return answer
})

const explainOperation = Effect.fnUntraced(function* (read: Read, operationId: string, mayKnow: MayKnow) {
  const stored = yield* read<OperationState | null>(OPERATION, [operationId])
  if (stored === null || !mayKnow(stored.userId)) return yield* new NothingToExplain({})
  const standing = yield* readStanding(read, stored.userId)
  const operation = asItStands(stored, standing.now)
  const { closedAt, userId } = operation
  const facts =
    operation.status === "closed" && closedAt !== null
      ? yield* bookedTogether(read, { userId, operationId, createdAt: closedAt, reason: "debit" }, standing)
      : { entries: [], lots: new Map<string, LotState>(), order: standing.order }
  const answer: Answer = {
    about: "operation",
    lines: [...operationLines(operation, standing.now), ...entryLines(facts)],
    ...presentCharge(operation, facts.entries),
    ...presentFacts(facts, standing)
  }
  return answer
})

const explainLot = Effect.fnUntraced(function* (
  read: Read,
  request: Extract<Payload, { readonly lotId: unknown }>,
  mayKnow: MayKnow
) {
  const limit = request.limit ?? PAGE_SIZE
  const [stored] = yield* read<ReadonlyArray<LotState>>(LOTS, [JSON.stringify([request.lotId])])
  if (stored === undefined || !mayKnow(stored.userId)) return yield* new NothingToExplain({})
  const standing = yield* readStanding(read, stored.userId)
  // Before its own time a lot has no entries.
  const place = (yield* decodeCursor(request.cursor, ["instant", "number"])) ?? [`${stored.issuedAt}`, "0"]
  const found = yield* read<ReadonlyArray<EntryState>>(OF_LOT(LOOKED_THROUGH), [
    stored.userId,
    ...place,
    stored.lotId,
    `${limit + 1}`
  ])
  const { next, rows } = page(found, limit, (entry) => [entry.createdAt, entry.seq])
  const seen =
    next.nextCursor === undefined
      ? yield* read<readonly [number, number] | null>(SEEN(LOOKED_THROUGH), [stored.userId, ...place])
      : null
  const facts: EntryFacts = { entries: rows, lots: new Map([[stored.lotId, stored]]), order: standing.order }
  const answer: Answer = {
    about: "lot",
    lines: [...lotLines(asItIs(stored, standing), standing.now), ...entryLines(facts)],
    ...presentFacts(facts, standing),
    lots: [presentLot(asItIs(stored, standing))],
    ...next,
    ...(seen === null ? {} : { nextCursor: encodeCursor(seen) })
  }
  return answer
})

const explainCommand = Effect.fnUntraced(function* (
  read: Read,
  request: Extract<Payload, { readonly commandType: unknown }>,
  role: Role
) {
  // The answer to a command that the caller may not send is not the caller's to read.
  if (!maySend(request.commandType, role)) return yield* new NothingToExplain({})
  const found = yield* read<StoredKey | null>(KEY, [request.commandType, request.idempotencyKey])
  if (found === null) return yield* new NothingToExplain({})
  const { claimedAt, expiresAt, response, state, transactionId } = found
  const stored = answerOf(response)
  const command: CommandFacts = { commandType: request.commandType, state, claimedAt, expiresAt, answer: stored }
  const answer: Answer = {
    about: "command",
    lines: commandLines(command),
    command: {
      commandType: request.commandType,
      transactionId,
      state,
      claimedAt: timestampText(claimedAt),
      expiresAt: timestampText(expiresAt),
      ...(stored === undefined ? {} : { answer: stored })
    },
    entries: [],
    lots: []
  }
  return answer
})

/** Where entries stand that were booked together. */
interface Place {
  readonly userId: string
  readonly operationId: string | null
  readonly createdAt: number
  readonly reason: string
}

interface StoredKey extends Pick<CommandFacts, "state" | "claimedAt" | "expiresAt"> {
  readonly transactionId: string
  readonly response: string | null
}

const bookedTogether = Effect.fnUntraced(function* (read: Read, place: Place, { order }: Standing) {
  const entries = yield* read<ReadonlyArray<EntryState>>(TOGETHER, [
    place.userId,
    `${place.createdAt}`,
    place.operationId,
    place.reason
  ])
  const ids = [...new Set(entries.flatMap(({ lotId }) => (lotId === null ? [] : [lotId])))]
  const lots = ids.length === 0 ? [] : yield* read<ReadonlyArray<LotState>>(LOTS, [JSON.stringify(ids)])
  const facts: EntryFacts = { entries, lots: new Map(lots.map((lot) => [lot.lotId, lot])), order }
  return facts
})

const presentFacts = (facts: EntryFacts, standing: Standing) => ({
  entries: facts.entries.map(presentEntry),
  lots: touchedLots(facts).map((lot) => presentLot(asItIs(lot, standing)))
})

const presentCharge = (operation: OperationState | null, entries: ReadonlyArray<EntryState>) => {
  if (operation === null) return {}
  const cost = operationCost(operation, entries)
  return { operation: presentOperation(operation), ...(cost === undefined ? {} : { cost }) }
}

/** A lot with what is left of it once everything due is counted. */
const asItIs = (lot: LotState, { account, now }: Standing): LotState => ({
  ...lot,
  remaining: asOf(account, now).lots.find(({ lotId }) => lotId === lot.lotId)?.remaining ?? 0
})

const maySend = (commandType: string, role: Role): boolean => {
  const rpc = [...Api.requests.values()].find(({ _tag }) => _tag === commandType)
  const required = rpc === undefined ? undefined : Context.getOrUndefined(rpc.annotations, RequiredRole)
  return required !== undefined && Role.literals.indexOf(role) >= Role.literals.indexOf(required)
}

interface StoredExit {
  readonly value?: Readonly<Record<string, Schema.Json>>
  readonly cause?: ReadonlyArray<{ readonly error?: Readonly<Record<string, Schema.Json>> }>
}

/** What a stored exit says, without its `meta`. */
const answerOf = (response: string | null): Schema.Json | undefined => {
  if (response === null) return undefined
  const exit: StoredExit = JSON.parse(response)
  const { meta: _, ...answer } = exit.value ?? exit.cause?.[0]?.error ?? {}
  return answer
}
