"""Training schemes, one file each, and what runs and checks them."""
