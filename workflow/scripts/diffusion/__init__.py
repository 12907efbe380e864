"""Diffusion models as in Higham, Higham and Grindrod (SIAM Review 67(3), 2025): one module a section."""
