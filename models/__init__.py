"""Models, their profiles, data, and the steps that train them."""
