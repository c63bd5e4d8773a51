// Package identity is who the hub is and who its hosts are: its certificate
// authority, the tokens that machines join with, and the keys that hosts have.
package identity
