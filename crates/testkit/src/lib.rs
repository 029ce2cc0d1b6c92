//! Real servers for tests, the oracle and judge of fault tests, and fault injection.
