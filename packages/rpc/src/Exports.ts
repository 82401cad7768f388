import { UserId } from "@credit/domain/Ids"
import { Timestamp } from "@credit/domain/Timestamp"
import * as RpcGroup from "effect/rpc/RpcGroup"
import * as Schema from "effect/Schema"
import { streamedQuery } from "./define.ts"
import { PageRequest } from "./Page.ts"

/** Some hundred lines of an export. */
export const ExportPart = Schema.Struct({
  /** Whole lines, each with its line feed. */
  text: Schema.String,
  /** How many entries they hold; a CSV's header is not counted. */
  entries: Schema.Int,
  /** An export that breaks off after this part goes on from here. */
  cursor: Schema.String
}).annotate({ identifier: "ExportPart" })

export class Exports extends RpcGroup.make(
  /**
   * Streams the ledger's entries of `from` ≤ createdAt < `to` as lines of NDJSON (an entry as in `GetLedgerHistory`, with its
   * `userId`) or CSV (with a header, quoted as RFC 4180 says; lines end in LF), in parts to be written to a file one after the other.
   *
   * The order is fixed: month by month, within a month by entry id; for one user by `createdAt` and `seq`. `from` is the
   * ledger's beginning unless told. `to` is a minute ago unless told, and no later than that: by then every entry dated
   * before it is written, so that what is exported is all there is, for ever. An export from where the last one ended
   * misses nothing and repeats nothing.
   *
   * Broken off, it goes on after the last part that was kept: the same request with that part's `cursor`, which also keeps
   * its `to`. Then there is no CSV header.
   *
   * Role `admin`. Needs `Content-Type: application/x-ndjson`. Fails with `InvalidRequest`: a `to` later than a minute ago,
   * or not later than `from`; a cursor of another export.
   */
  streamedQuery("ExportLedger", {
    role: "admin",
    payload: Schema.Struct({
      format: Schema.Literals(["ndjson", "csv"]),
      userId: Schema.optionalKey(UserId),
      from: Schema.optionalKey(Timestamp),
      to: Schema.optionalKey(Timestamp),
      cursor: PageRequest.cursor
    }),
    part: ExportPart,
    errors: []
  })
) {}
