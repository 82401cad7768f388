export {
  Access,
  AccessError,
  Caller,
  DecidedBy,
  Kind,
  Operator,
  OperatorAccess,
  RequiredRole,
  Role
} from "./Access.ts"
export { Api, CONTRACT_VERSION } from "./Api.ts"
export { Forbidden, InternalError, MerchantUnknown, RateLimited, ServiceUnavailable, Unauthorized } from "./Errors.ts"
export { NothingToExplain } from "./Explanations.ts"
export { MerchantInvalid, OnboardingFailed } from "./Merchants.ts"
export { MAX_PAGE_SIZE, MAX_PERIOD_DAYS } from "./Page.ts"
export { ReceiptNotFound } from "./Receipts.ts"
export { TokenUnavailable } from "./Tokens.ts"
