import type * as Schema from "effect/Schema"
import * as SchemaIssue from "effect/SchemaIssue"

const format = SchemaIssue.makeFormatterStandardSchemaV1()

/** What does not fit, without the value that was found instead. */
export const expectationOf = (error: Schema.SchemaError): string =>
  (format(error.issue).issues[0]?.message ?? "not valid").replace(/, (?:got|actual) [\s\S]*$/, "")

/** `products.0.title: what does not fit`. */
export const placeOf = (error: Schema.SchemaError): string => {
  const [issue] = format(error.issue).issues
  const path = (issue?.path ?? []).map((part) => String(typeof part === "object" ? part.key : part)).join(".")
  return path === "" ? expectationOf(error) : `${path}: ${expectationOf(error)}`
}
