"""Networks: backbones and what works on them."""
