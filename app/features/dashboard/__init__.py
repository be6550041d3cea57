"""The overview: what a household has, how far it is proven, and what needs somebody."""
