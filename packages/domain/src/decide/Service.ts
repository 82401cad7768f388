import * as DateTime from "effect/DateTime"
import { canonicalDecimal } from "../Decimal.ts"
import { presentServiceStatus, presentSettings, type SettingsState } from "../Merchant.ts"
import { DAY } from "../Timestamp.ts"
import { type Decider, invalid, succeed } from "./Decision.ts"

/** Decides `Merchant.Configure`: what is named changes, and together the settings must make sense. */
export const merchantConfigure: Decider<"Merchant.Configure"> = (state, payload) => {
  const settings: SettingsState = { ...state.settings, ...payload, taxRate: taxRateOf(payload, state.settings) }
  if (settings.taxRegime === "vat" && settings.taxRate === null) return invalid("taxRate", "the regime vat needs one")
  if (settings.taxRegime === "none" && settings.taxRate !== null) {
    return invalid("taxRate", "there is no tax in the regime none; name the regime too")
  }
  if (settings.operationTimeoutMinutes > settings.operationTimeoutMaxMinutes) {
    const field =
      payload.operationTimeoutMinutes === undefined ? "operationTimeoutMaxMinutes" : "operationTimeoutMinutes"
    return invalid(field, "the timeout would be longer than the longest one allowed")
  }
  return succeed({ settings: presentSettings(settings) }, { ground: { _tag: "SettingsChanged", settings } })
}

/** The rate that is named; else the one there is, but not into the regime `none`. */
const taxRateOf = (
  { taxRate, taxRegime }: Parameters<Decider<"Merchant.Configure">>[1],
  present: SettingsState
): string | null => {
  if (taxRate === undefined) return taxRegime === "none" ? null : present.taxRate
  return taxRate === null ? null : canonicalDecimal(taxRate)
}

/** How far ahead maintenance may be meant to end. */
const LONGEST_MAINTENANCE = 366 * DAY

/** Decides `Maintenance.Enter`; entered again it changes reason and end. */
export const maintenanceEnter: Decider<"Maintenance.Enter"> = (state, { reason, until: given }) => {
  const until = given === undefined ? null : DateTime.toEpochMillis(given)
  if (until !== null && until <= state.now) return invalid("until", "is not ahead")
  if (until !== null && until > state.now + LONGEST_MAINTENANCE) return invalid("until", "is more than a year ahead")
  const maintenance = { reason, until }
  return succeed(
    { serviceStatus: presentServiceStatus(maintenance) },
    { ground: { _tag: "StatusChanged", maintenance } }
  )
}

/** Decides `Maintenance.Exit`; a merchant that is ready stays so. */
export const maintenanceExit: Decider<"Maintenance.Exit"> = () =>
  succeed({ serviceStatus: presentServiceStatus(null) }, { ground: { _tag: "StatusChanged", maintenance: null } })
