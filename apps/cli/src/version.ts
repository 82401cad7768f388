import { createRequire } from "node:module"
import * as Schema from "effect/Schema"

const Package = Schema.Struct({ version: Schema.String })

/** The version of the command line: that of its package. */
export const VERSION = Schema.decodeUnknownSync(Package)(createRequire(import.meta.url)("../package.json")).version
