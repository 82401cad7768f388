import { asOf, presentBalance } from "@credit/domain/decide"
import { presentEntry } from "@credit/domain/LedgerEntry"
import { presentOperation } from "@credit/domain/Operation"
import { presentPurchase } from "@credit/domain/Purchase"
import { InvalidRequest } from "@credit/domain/Refusal"
import { DAY, timestampText } from "@credit/domain/Timestamp"
import type { Overviews } from "@credit/rpc/Overviews"
import { MAX_PERIOD_DAYS } from "@credit/rpc/Page"
import type { ReasonTotal } from "@credit/rpc/Statements"
import type { RpcPayload, RpcSuccessEncoded } from "@credit/rpc/types"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import { ALWAYS } from "../ledger/Period.ts"
import { latestEntries } from "../ledger/queries.ts"
import { dueExpiries, readStanding } from "../ledger/Standing.ts"
import { TOTALS } from "../ledger/Totals.ts"
import type { MerchantDatabase } from "../merchants/MerchantDatabase.ts"
import { analysis } from "../merchants/Snapshot.ts"
import { purchasesOfUser } from "../purchases/queries.ts"

/** How many of the latest entries and purchases an overview has, and how far back its totals go unless told. */
const LATEST = 20
const TOTALS_DAYS = 30

export const getAccountOverview = (
  database: MerchantDatabase,
  { totalsFrom, userId }: RpcPayload<typeof Overviews, "GetAccountOverview">
) =>
  analysis(database, (read) =>
    Effect.gen(function* () {
      const standing = yield* readStanding(read, userId)
      const { account, now, order } = standing
      const from = totalsFrom === undefined ? now - TOTALS_DAYS * DAY : DateTime.toEpochMillis(totalsFrom)
      if (from > now) return yield* new InvalidRequest({ field: "totalsFrom", message: "is still to come" })
      if (now - from > MAX_PERIOD_DAYS * DAY) {
        return yield* new InvalidRequest({ field: "totalsFrom", message: `is more than ${MAX_PERIOD_DAYS} days back` })
      }
      const entries = yield* latestEntries(read, userId, LATEST)
      const purchases = yield* purchasesOfUser(read, userId, LATEST)
      const totals = yield* read<ReadonlyArray<typeof ReasonTotal.Encoded>>(TOTALS, [
        userId,
        `${from}`,
        "0",
        `${ALWAYS.to}`,
        "0"
      ])
      const answer: RpcSuccessEncoded<typeof Overviews, "GetAccountOverview"> = {
        balance: presentBalance(account, order, now),
        entryCount: account.seq,
        ...(account.lastAt === 0 ? {} : { lastMovedAt: timestampText(account.lastAt) }),
        openOperations: asOf(account, now)
          .operations.filter((operation) => operation.expiresAt > now)
          .toSorted((a, b) => a.openedAt - b.openedAt || (a.operationId < b.operationId ? -1 : 1))
          .map(presentOperation),
        latestEntries: entries.map(presentEntry),
        due: dueExpiries(standing),
        latestPurchases: purchases.map(presentPurchase),
        totalsFrom: timestampText(from),
        totals
      }
      return answer
    })
  )
