import { Accounts } from "./Accounts.ts"
import { Adjustments } from "./Adjustments.ts"
import { AuditLog } from "./AuditLog.ts"
import { Catalog } from "./Catalog.ts"
import { Configuration } from "./Configuration.ts"
import { Explanations } from "./Explanations.ts"
import { Exports } from "./Exports.ts"
import { Grants } from "./Grants.ts"
import { Jobs } from "./Jobs.ts"
import { Maintenance } from "./Maintenance.ts"
import { Merchants } from "./Merchants.ts"
import { Migrations } from "./Migrations.ts"
import { Operations } from "./Operations.ts"
import { Overviews } from "./Overviews.ts"
import { Purchases } from "./Purchases.ts"
import { Receipts } from "./Receipts.ts"
import { Reversals } from "./Reversals.ts"
import { Sandbox } from "./Sandbox.ts"
import { Statements } from "./Statements.ts"
import { Tokens } from "./Tokens.ts"
import { Usage } from "./Usage.ts"
import { Verification } from "./Verification.ts"

/** Everything the service can be asked: the contract between server, client and command line. */
export const Api = Purchases.merge(
  Operations,
  Grants,
  Adjustments,
  Reversals,
  Accounts,
  Receipts,
  Catalog,
  Configuration,
  Maintenance,
  Sandbox,
  Tokens,
  Migrations,
  Merchants,
  Jobs,
  Statements,
  Usage,
  Overviews,
  Explanations,
  Exports,
  Verification,
  AuditLog
)

/** The version of the contract under which an answer is stored. */
export const CONTRACT_VERSION = 1
