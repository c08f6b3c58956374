"""The recipe's rules measured on the user's own data: known defects are planted in copies, and counted if found."""
