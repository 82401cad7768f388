import * as Schema from "effect/Schema"
import { Rate } from "./Decimal.ts"
import { Code } from "./Ids.ts"
import { CatalogStatus, catalogStatus } from "./Product.ts"
import { Timestamp, timestampText } from "./Timestamp.ts"

/** One version of a rate, as the rules see it. */
export interface OperationTypeState {
  readonly operationTypeCode: string
  readonly resourceUnit: string
  readonly creditsPerUnit: string
}

/** A version with the span in which operations capture it. Instants are epoch milliseconds. */
export interface OperationTypeVersion extends OperationTypeState {
  readonly operationTypeId: string
  readonly title: string | null
  readonly effectiveAt: number
  readonly archivedAt: number | null
}

/** One version of what a kind of work costs. The versions of a code follow one another without gap or overlap. */
export const OperationType = Schema.Struct({
  /** The version's own id. */
  operationTypeId: Schema.String,
  operationTypeCode: Code,
  title: Schema.optionalKey(Schema.String),
  resourceUnit: Code,
  creditsPerUnit: Rate,
  effectiveAt: Timestamp,
  archivedAt: Schema.optionalKey(Timestamp),
  /** As of the answer; the active version of a code is the one that operations capture now. */
  status: CatalogStatus
}).annotate({ identifier: "OperationType" })
export type OperationType = typeof OperationType.Type

/** The wire form of a version as it stands at an instant. */
export const presentOperationType = (version: OperationTypeVersion, at: number): typeof OperationType.Encoded => ({
  operationTypeId: version.operationTypeId,
  operationTypeCode: version.operationTypeCode,
  ...(version.title === null ? {} : { title: version.title }),
  resourceUnit: version.resourceUnit,
  creditsPerUnit: version.creditsPerUnit,
  effectiveAt: timestampText(version.effectiveAt),
  ...(version.archivedAt === null ? {} : { archivedAt: timestampText(version.archivedAt) }),
  status: catalogStatus(version, at)
})
