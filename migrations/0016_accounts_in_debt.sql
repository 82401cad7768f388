-- How many accounts are in debt, for the metrics: the index holds these accounts and no others. Debt changes seldom; while it
-- does not, an account's updates stay HOT.
CREATE INDEX accounts_in_debt ON public.accounts (user_id) WHERE debt > 0;
