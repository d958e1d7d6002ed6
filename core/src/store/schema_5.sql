-- Limits that there were before in the same period or month: units used at which the next event is
-- due, by limit, as JSON; NULL: there were none.
ALTER TABLE usage ADD COLUMN watched_before TEXT;
-- Whether a gateway told, before the due date had passed, that it was not paid in time.
ALTER TABLE invoices ADD COLUMN told_overdue INTEGER NOT NULL DEFAULT 0;
-- What was paid, as a gateway told: it may be another amount.
ALTER TABLE invoices ADD COLUMN paid_cents INTEGER;
-- The clock looks for what waits to be paid with every change of a tenant.
CREATE INDEX invoices_pending ON invoices (tenant, due) WHERE status = 'pending';
