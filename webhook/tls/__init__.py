"""The self-signed certificate of the admission webhook: made, kept in a Secret, published, rotated, served."""
