//! AMQP 0.9.1 with oslo.messaging's envelopes: notification listener and notifier.
