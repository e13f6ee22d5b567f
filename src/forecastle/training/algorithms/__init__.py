"""Learning algorithms: `catalogue` describes them, one module each fits and exports."""
