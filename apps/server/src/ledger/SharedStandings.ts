import type { MerchantDatabase } from "../merchants/MerchantDatabase.ts"
import { SharedReads } from "../merchants/SharedReads.ts"
import { readStandings, type Standing } from "./Standing.ts"

const shared = new WeakMap<MerchantDatabase, SharedReads<Standing>>()

/**
 * A user's standing now. Those that are asked for at the same time are read together, by one statement, which is a snapshot by
 * itself.
 */
export const sharedStanding = (database: MerchantDatabase, userId: string) => {
  let reads = shared.get(database)
  if (reads === undefined) {
    reads = new SharedReads((users) => readStandings((text, parameters) => database.json(text, parameters), users))
    shared.set(database, reads)
  }
  return reads.get(userId)
}
