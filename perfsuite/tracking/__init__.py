"""From night to night: history nominates a change, an A/B decides, bisection names the night."""
